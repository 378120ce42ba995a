"""A stranger types `make demo` (here with fewer rows): it ends well, every event is found again, the update helped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from dissonance.drills.demo.story import LEAST_ROWS


@pytest.mark.timeout(400)
def test_demo_accounts_for_every_event_and_its_update_helps_people_it_never_saw(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dissonance", "demo", "--rows", str(LEAST_ROWS), "--out", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=390)
    assert done.returncode == 0, done.stderr[-2000:]
    result = msgspec.json.decode(done.stdout)
    account = result["accounting"]
    assert account["acknowledged"] == account["admitted"] + account["blocked"] + account["dead_lettered"]
    assert account["acknowledged"] > LEAST_ROWS
    assert (account["missing"], account["unexpected"]) == (0, 0)
    assert account["labels_joined"] == account["labels_sent"] == LEAST_ROWS
    assert (result["update"]["old_version"], result["update"]["new_version"]) == (1, 2)
    group, others = result["compared"]
    assert group["change"][1] > 0.0, "the interval of the change lies above zero"
    assert others["change"][2] > 0.0, "nobody else is clearly worse off"
    report = (tmp_path / "report.html").read_text()
    assert "<svg" in report
    assert "http-equiv" not in report
    assert msgspec.json.decode((tmp_path / "result.json").read_bytes())["accounting"] == account
