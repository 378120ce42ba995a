"""The tables of attacks name tests and rules that there are, and each rule has examples of both kinds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.source import ROOT

PAGE = "\n".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "security").glob("*.md")))
RULES = ROOT / "security" / "semgrep"
GROUPS = sorted(RULES.glob("*.yaml"))


def rules_of(group: Path) -> list[str]:
    return re.findall(r"(?m)^  - id: (\S+)$", group.read_text(encoding="utf-8"))


ALL_RULES = [rule for group in GROUPS for rule in rules_of(group)]


def test_every_test_that_a_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    assert named
    assert named <= there


def test_every_file_and_rule_that_a_page_names_is_there() -> None:
    files = set(re.findall(r"`((?:tests|security)/[\w/]+\.py)`", PAGE))
    assert files
    assert [file for file in sorted(files) if not (ROOT / file).is_file()] == []
    for rule in re.findall(r"semgrep `([\w-]+)`", PAGE):
        assert rule in ALL_RULES


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.stem)
def test_every_rule_has_an_example_that_it_finds(group: Path) -> None:
    examples = group.with_suffix(".py").read_text(encoding="utf-8")
    assert [rule for rule in rules_of(group) if f"# ruleid: {rule}\n" not in examples] == []
    assert "# ok: " in examples


def test_every_exception_names_a_rule_that_there_is() -> None:
    named = [
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"nosemgrep: (\S+)", path.read_text(encoding="utf-8"))
    ]
    assert set(named) <= set(ALL_RULES)
