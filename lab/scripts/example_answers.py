"""Record answers and map positions of the example images: ``python -m lab.scripts.example_answers``.

*Try your images* and *Explore* show them for the reference run at once. Run this command after the reference run, a
probe or an example has changed.
"""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.components.explorer import explorer_of
from dashboard.data import example_answers, examples, neighbors, own_picture
from dashboard.data.predictions import digest_of
from lab.devtools.commands import parser_of
from probing_core.answers.answer import Answer
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
    answers = {
        (model, digest_of(image_crops)): answer
        for model in (DETECTOR, *predictor.models)
        for image_crops, answer in zip(crops, predictor.ask(model, crops), strict=True)
    }
    places = _places(run, answers)
    of_crops = [(crops, answer) for (_, crops), answer in answers.items()]
    example_answers.write(data_dir() / example_answers.FILE, run, of_crops, places)
    print(f"{len(answers)} answers and {len(places)} positions for {len(crops)} examples.")


def _places(run: Run, answers: Mapping[tuple[str, str], Answer]) -> dict[tuple[str, str], tuple[float, float]]:
    """Estimate the position of each example on the map of each model that has one."""
    data = explorer_of(run).data
    galleries = {
        model: neighbors.embeddings(run, model, own_picture.gallery_samples(data))
        for model in run.live_models
        if not own_picture.why_no_place(run, data, model)
    }
    places = {
        (model, crops): own_picture.place_in(data, model, galleries[model], answer.prediction.embedding)
        for (model, crops), answer in answers.items()
        if model in galleries
    }
    return {key: (round(x, 1), round(y, 1)) for key, (x, y) in places.items()}


if __name__ == "__main__":
    main()
