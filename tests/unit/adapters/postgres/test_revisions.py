"""Versions are read off the names of files, which is what loads nothing: they are those that Alembic walks."""

from __future__ import annotations

import pytest
from alembic.script import ScriptDirectory

from dissonance.adapters.postgres.migrate import Schema, _config, revisions


@pytest.mark.parametrize("schema", Schema)
def test_versions_by_name_are_those_that_alembic_walks_newest_first(schema: Schema) -> None:
    walked = ScriptDirectory.from_config(_config(schema)).walk_revisions()
    assert revisions(schema) == tuple(script.revision for script in walked)
