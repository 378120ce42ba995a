"""The examples run as they stand, and what they print is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_example_says_how_good_the_model_is_before_the_labels_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "how_good_is_it_today.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = re.search(r"today, estimated +([\d.]+) +\(([\d.]+) to ([\d.]+)\), at least ([\d.]+)", done.stdout)
    later = re.search(r"labels say later ([\d.]+)", done.stdout)
    assert told and later, done.stdout
    estimate, low, high, bound = map(float, told.groups())
    truth = float(later.group(1))
    assert low <= truth <= high
    assert bound <= truth
    assert abs(estimate - truth) < 0.04
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert (tmp_path / "out" / "how-good-is-it-today.svg").read_text().startswith("<?xml")
