"""A stranger types `make demo` (here with fewer rows): the loop notices, learns, takes back; nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from dissonance.drills.demo.story import BACK, FALL, LEAST_ROWS, STRETCH


@pytest.mark.timeout(850)
def test_demo_accounts_for_every_event_and_the_managed_model_beats_the_frozen_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dissonance", "demo", "--rows", str(LEAST_ROWS), "--out", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=840)
    assert done.returncode == 0, done.stderr[-2000:]
    result = msgspec.json.decode(done.stdout)
    account = result["accounting"]
    assert account["acknowledged"] == account["admitted"] + account["blocked"] + account["dead_lettered"] == LEAST_ROWS
    assert (account["missing"], account["unexpected"]) == (0, 0)
    assert account["labels_joined"] == account["labels_sent"] > 0
    bought = result["labels"]["asked"]["chosen"] + result["labels"]["asked"]["random_check"]
    assert 0 < bought <= result["labels"]["budget"]
    assert FALL.start_us < result["harm"]["noticed_us"] < FALL.end_us
    gains = {each["name"]: each["gain"] for each in result["compared"]}
    assert gains[STRETCH][1] > 0.0, "the interval of the gain lies above zero"
    assert gains[BACK][1] > 0.0
    mischief = result["mischief"]
    promoted = [each["version"] for each in result["happenings"] if each["kind"] == "model_promoted"]
    assert set(promoted) - {mischief["version"]}, "an update of the loop's own went live"
    assert mischief["version"] in promoted, "and one by override"
    assert "golden" in mischief["refusal"]
    refused = {each["version"] for each in result["updates"] if each["refused"]}
    assert mischief["version"] in refused, "what the gate refused is counted, the one of the story among it"
    assert [step["name"] for step in result["steps"]][-2:] == ["account for every row", "stop roles and engines"]
    assert sum(step["seconds"] for step in result["steps"]) <= result["seconds"]
    assert mischief["rolled_back_at_us"] >= mischief["forced_at_us"]
    report = (tmp_path / "report.html").read_text()
    assert "<svg" in report
    assert "http-equiv" not in report
    assert msgspec.json.decode((tmp_path / "result.json").read_bytes())["accounting"] == account
