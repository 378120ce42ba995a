"""The client of NannyML's process, with a stand-in that speaks its protocol; NannyML itself has its own environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dissonance.errors import ConfigurationError, EngineError
from science.estimate import Estimate
from science.options import Options, use
from science.peers.cbpe import NannyML, cbpe
from support.prepared import known_of, rows_of, traffic_of

KNOWN = known_of(rows_of(50, 1))

STAND_IN = """\
#!{python}
import json, sys
import numpy as np
print(json.dumps({{"nannyml": "0"}}), flush=True)
for line in sys.stdin:
    work = np.load(line.strip())
    if len(work["labels"]) < 10:
        print(json.dumps({{"error": "ValueError: too few rows"}}), flush=True)
        continue
    ends = np.cumsum(work["sizes"])
    parts = np.split(work["p"].max(axis=1), ends[:-1])
    print(json.dumps({{"answers": [{{"value": float(part.mean()), "alarm": None}} for part in parts]}}), flush=True)
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """It is started as an interpreter is: with the path of the worker, which it does not look at."""
    path = tmp_path / "python"
    path.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
    path.chmod(0o700)
    return path


def test_one_process_answers_for_many_cases_and_windows_of_different_sizes(stand_in: Path) -> None:
    windows = [traffic_of(rows_of(size, size)) for size in (20, 7)]

    with NannyML(stand_in) as nannyml:
        answers = [nannyml.estimate(KNOWN, windows), nannyml.estimate(KNOWN, windows[:1])]

    expected = [Estimate(pytest.approx(float(window.p.max(axis=1).mean()))) for window in windows]
    assert answers == [expected, expected[:1]]
    assert nannyml.versions == {"nannyml": "0"}


def test_what_nannyml_refuses_it_cannot_tell_and_the_process_goes_on(stand_in: Path) -> None:
    window = traffic_of(rows_of(3, 1))

    with NannyML(stand_in) as nannyml:
        refused = nannyml.estimate(known_of(rows_of(5, 1)), [window, window])
        (told,) = nannyml.estimate(KNOWN, [window])

    assert refused == [Estimate(note="NannyML refused: ValueError: too few rows")] * 2
    assert told.value is not None


def test_environment_without_nannyml_says_how_to_make_it() -> None:
    with pytest.raises(EngineError, match="No module named 'nannyml'"):
        NannyML(Path(sys.executable))


def test_cbpe_is_refused_when_the_environment_was_not_named() -> None:
    use(Options(nannyml=None))

    with pytest.raises(ConfigurationError, match="not named"):
        cbpe(KNOWN, [traffic_of(rows_of(3, 1))])
