"""The databases as the parts of the system come to them."""

from __future__ import annotations

from psycopg.conninfo import make_conninfo

from dissonance.adapters.postgres.rights import role_of


def seen_by(url: str, part: str) -> str:
    """The same database, as this part."""
    return make_conninfo(url, user=role_of(part))
