"""Record the answers of the reference run for the example images: ``python -m lab.scripts.example_answers``.

*Try your images* shows them at once. Run this command after the reference run, a probe or an example has changed.
"""

from __future__ import annotations

from dashboard.data import example_answers, examples
from dashboard.data.predictions import digest_of
from lab.devtools.commands import parser_of
from probing_core.answers.crops import cut
from probing_core.api.predictor import Predictor
from probing_core.compute.task_names import DETECTOR
from probing_core.paths import data_dir, reference_run
from probing_core.results import Run


def main() -> None:
    parser_of(__doc__).parse_args()
    run = Run.open(reference_run())
    predictor = Predictor(run)
    crops = [cut(examples.example(name).image, run.recipe.view) for name in examples.NAMES]
    answers = [
        (digest_of(image_crops), answer)
        for model in (DETECTOR, *predictor.models)
        for image_crops, answer in zip(crops, predictor.ask(model, crops), strict=True)
    ]
    example_answers.write(data_dir() / example_answers.FILE, run, answers)
    print(f"{len(answers)} answers for {len(crops)} examples.")


if __name__ == "__main__":
    main()
