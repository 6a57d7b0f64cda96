# /// script
# requires-python = "==3.11.*"
# dependencies = ["cleanvision==0.3.7"]
# ///
"""Write the issues that CleanVision reports for the images in a folder, for `lab.evidence.beside_cleanvision`.

uv run lab/evidence/cleanvision_issues.py FOLDER OUT.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cleanvision import Imagelab

ISSUES = ("blurry", "dark", "light", "grayscale")


def main() -> None:
    lab = Imagelab(data_path=sys.argv[1])
    lab.find_issues({issue: {} for issue in ISSUES}, n_jobs=1, verbose=False)
    issues = {
        Path(path).name: [issue for issue in ISSUES if row[f"is_{issue}_issue"]] for path, row in lab.issues.iterrows()
    }
    Path(sys.argv[2]).write_text(json.dumps(issues), encoding="utf-8")


if __name__ == "__main__":
    main()
