"""Named queries out of a .sql file: `-- name: <name>`, `-- purpose: <one line>`, then the statement."""

from __future__ import annotations

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (?P<name>[a-z_]+)\n-- purpose: (?P<purpose>\S.*)\n", re.MULTILINE)


def load_queries(file_name: str) -> dict[str, bytes]:
    """Statements of a file of this package, by name.

    >>> load_queries("queries.sql")["count_labels"].split()[0]
    b'SELECT'
    """
    text = resources.files("dissonance.adapters.postgres").joinpath(file_name).read_text("utf-8")
    heads = list(_NAME.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {
        head["name"]: text[head.end() : end].strip().rstrip(";").encode() for head, end in zip(heads, ends, strict=True)
    }
