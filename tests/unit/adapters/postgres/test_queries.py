from __future__ import annotations

import re
from pathlib import Path

import pytest

from dissonance.adapters import postgres
from dissonance.adapters.postgres.queries import load_queries

FOLDER = Path(postgres.__file__).parent
FILES = ["queries.sql", "keys.sql"]


@pytest.mark.parametrize("file_name", FILES)
def test_every_statement_has_a_name_of_its_own_and_a_purpose(file_name: str) -> None:
    names = re.findall(r"^-- name: (.*)$", (FOLDER / file_name).read_text(), re.MULTILINE)
    assert sorted(load_queries(file_name)) == sorted(names)
    assert len(set(names)) == len(names)
    assert all(b";" not in statement and b"--" not in statement for statement in load_queries(file_name).values())


@pytest.mark.parametrize("file_name", FILES)
def test_every_statement_is_used(file_name: str) -> None:
    code = "".join(path.read_text() for path in FOLDER.glob("*.py"))
    assert [name for name in load_queries(file_name) if f'"{name}"' not in code] == []
