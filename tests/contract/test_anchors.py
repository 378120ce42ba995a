"""What every place for anchors keeps to: lines are added after the last one that the writer knew, and stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissonance.adapters.anchors.folder import AnchorFolder
from dissonance.adapters.memory.anchors import MemoryAnchors
from dissonance.ports.anchors import Anchors

ONE, OTHER = "a" * 32, "b" * 32


@pytest.fixture(params=["memory", "folder"])
def anchors(request: pytest.FixtureRequest, tmp_path: Path) -> Anchors:
    return MemoryAnchors() if request.param == "memory" else AnchorFolder(tmp_path / "made" / "anchors")


def test_before_the_first_line_there_is_none(anchors: Anchors) -> None:
    assert anchors.last(ONE) is None
    assert anchors.lines(ONE) == []


def test_lines_stay_in_the_order_in_which_they_were_added(anchors: Anchors) -> None:
    lines = [b"first", b"x" * 3_000, b'{"third": 3}']
    for before, line in zip([None, *lines], lines, strict=False):
        assert anchors.append(ONE, line, before)
        assert anchors.last(ONE) == line
    assert anchors.lines(ONE) == lines


def test_tasks_have_lines_of_their_own(anchors: Anchors) -> None:
    assert anchors.append(ONE, b"of one", None)
    assert anchors.append(OTHER, b"of the other", None)
    assert (anchors.lines(ONE), anchors.lines(OTHER)) == ([b"of one"], [b"of the other"])


@pytest.mark.parametrize("after", [None, b"another", b""])
def test_who_did_not_see_the_last_line_adds_none(anchors: Anchors, after: bytes | None) -> None:
    assert anchors.append(ONE, b"first", None)
    assert not anchors.append(ONE, b"second", after)
    assert anchors.lines(ONE) == [b"first"]


def test_a_line_that_was_taken_away_is_not_added_after(anchors: Anchors) -> None:
    assert not anchors.append(ONE, b"second", b"first")
    assert anchors.lines(ONE) == []
