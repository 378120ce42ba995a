"""What follows from the code must be in the docs, and what the docs say must be in the code."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from dissonance.cli import app
from dissonance.cli.access import protect
from dissonance.cli.permissions import COMMANDS
from dissonance.contracts.events import EVENT_TYPES
from dissonance.contracts.topics import EventKind
from dissonance.drills.records import Outcome, file_of, read_records
from dissonance.roles.auditor.checks import CHECKS
from dissonance.settings import PREFIX, Settings
from support.source import DOCS, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "records").glob("*.md")])
DECISIONS = sorted((DOCS / "adr").glob("[0-9]*.md"))
PARTS_OF_A_DECISION = ["Context", "Decision", "Consequences", "Sources"]

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def rows(page: Path) -> dict[str, list[str]]:
    """Table rows of a page whose first cell is one word in backticks: word to the other cells."""
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {word: [cell.strip() for cell in cells.split(" | ")] for word, cells in found}


def test_settings_page_lists_exactly_the_settings_there_are() -> None:
    documented = rows(DOCS / "settings.md")

    assert sorted(documented) == sorted(PREFIX + field.upper() for field in Settings.__struct_fields__)


@pytest.mark.parametrize("field", Settings.__struct_fields__)
def test_settings_page_states_the_default(field: str) -> None:
    default = getattr(Settings(), field)
    _, stated, meaning = rows(DOCS / "settings.md")[PREFIX + field.upper()]

    said = str(default).lower() if isinstance(default, bool) else default
    assert stated == (f"`{said}`" if said != "" else "empty")
    assert meaning


def test_findings_page_says_of_each_check_what_the_code_says() -> None:
    stated = {code: [check.severity.name.lower(), check.sees, check.fix] for code, check in CHECKS.items()}
    assert rows(DOCS / "findings.md") == stated


def test_events_page_lists_exactly_the_kinds_there_are() -> None:
    assert sorted(rows(DOCS / "events.md")) == sorted(kind.value for kind in EventKind)


@pytest.mark.parametrize("kind", EventKind)
def test_events_page_states_version_and_fields(kind: EventKind) -> None:
    event = EVENT_TYPES[kind]
    version, *_, columns = rows(DOCS / "events.md")[kind.value]
    own = event.__struct_fields__[len(event.__base__.__struct_fields__) :] if event.__base__ else ()

    assert version == str(event.SCHEMA_VERSION)
    assert [field for field in own if f"`{field}`" not in columns] == []


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]
    assert DECISIONS


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision_has_every_part_and_is_in_the_index(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    title = text.splitlines()[0]

    assert title.startswith(f"# {int(path.name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS_OF_A_DECISION
    assert f"({path.name})" in (DOCS / "adr" / "README.md").read_text(encoding="utf-8")


def test_decision_that_the_code_cites_exists() -> None:
    cited = {
        int(number)
        for path in sorted((ROOT / "src").rglob("*.py"))
        # An ADR of NATS is cited by its organisation's name.
        for number in re.findall(r"(?<!NATS )\bADR[- ](\d+)", path.read_text(encoding="utf-8"))
    }

    assert cited <= set(range(1, len(DECISIONS) + 1))


@by_page
def test_link_to_a_file_of_the_repository_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|srcset|href)="([^"#]+)"', text)
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]

    assert missing == []


def commands_in(text: str) -> list[str]:
    """Every `dissonance …` command of a page: in code blocks, in `$(…)`, and between backticks."""
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    written = re.findall(r"(?:^|\$\()\s*(?:\$ )?(?:\.venv/bin/)?dissonance +([^)\n]*)", blocks, re.MULTILINE)
    spans = re.findall(r"`dissonance +([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [command.split(" #")[0].strip() for command in written + spans]


@cache
def whole_command() -> Any:
    return protect(typer.main.get_command(app), COMMANDS)


def complaint(command: str) -> str | None:
    """Why `dissonance COMMAND` would be refused for its name or options; None when it would not."""
    node: Any = whole_command()
    words = [word for word in shlex.split(command) if word not in {"…", "..."}]
    while words and getattr(node, "commands", None):
        alternatives = words.pop(0).split("|")  # `up|status|down` stands for three commands
        unknown = [name for name in alternatives if name not in node.commands]
        if unknown:
            return f"no command {unknown[0]!r} in 'dissonance {command}'"
        node = node.commands[alternatives[0]]
    options = {option for parameter in node.params for option in parameter.opts}
    unknown = [word for word in words if word.startswith("--") and word.strip("[]").partition("=")[0] not in options]
    return f"no option {unknown[0]!r} in 'dissonance {command}'" if unknown else None


@by_page
def test_command_of_a_page_exists(page: Path) -> None:
    complaints = [complaint(command) for command in commands_in(page.read_text(encoding="utf-8"))]

    assert [words for words in complaints if words] == []


def test_readme_shows_the_tour() -> None:
    commands = commands_in((ROOT / "README.md").read_text(encoding="utf-8"))
    shown = {command.split()[0] for command in commands}

    assert shown >= {"up", "run", "task", "token", "models", "status", "down", "kpis"}


@pytest.mark.parametrize("command", ["no-such-command", "kpis --no-such-option", "task no-such-verb"])
def test_command_that_does_not_exist_would_be_found(command: str) -> None:
    assert complaint(command)


def test_commands_are_found_wherever_a_page_writes_them() -> None:
    page = "`dissonance up`\n\n```sh\ndissonance task list  # all\nT=$(dissonance token create --grant client)\n```\n"

    assert commands_in(page) == ["task list", "token create --grant client", "up"]


@by_page
def test_make_target_of_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    code = "\n".join(re.findall(r"`+([^`]+)`+", page.read_text(encoding="utf-8")))

    assert set(re.findall(r"(?:^|\s)make ([a-z-]+)", code)) <= targets


def rows_that_miss(readme: str) -> set[str]:
    """Records whose rows in the table of measurements say "missed"; "the same" is the record of the row above."""
    found, record = set(), ""
    for line in readme.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4:
            named = re.search(r"\(records/([^)]+\.json)\)", cells[3])
            record = named.group(1) if named else record if cells[3] == "the same" else ""
            if record and "missed" in cells[2]:
                found.add(record)
    return found


def failing_records() -> list[str]:
    """Of every drill and benchmark, the latest record, where that fails."""
    folder = ROOT / "records"
    latest = {record.name: record for record in read_records(folder)}
    return [file_of(folder, record).name for record in latest.values() if record.verdict is Outcome.FAIL]


def test_readme_says_of_every_record_that_falls_short_that_its_aim_is_missed() -> None:
    told = rows_that_miss((ROOT / "README.md").read_text(encoding="utf-8"))

    assert [name for name in failing_records() if name not in told] == []


def test_a_miss_counts_for_the_record_of_its_own_row_alone() -> None:
    table = """
| what | measured | aim | record |
|---|---|---|---|
| one | 1 | 2: **missed** | [a](records/a.json) |
| two | 3 | 2 | [b](records/b.json) |
| three | 3 | 4: **missed** | the same |
| four, missed | 3 | 3 | [c](records/c.json) |
| five | 3 | 4: **missed** | |
"""
    assert rows_that_miss(table) == {"a.json", "b.json"}


def test_make_help_fits_on_eighty_columns() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "make demo" in shown and "make clean" in shown
    assert [line for line in shown.splitlines() if len(line) > 80] == []
