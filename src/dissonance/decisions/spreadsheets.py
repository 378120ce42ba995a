"""Text that a spreadsheet would take for a formula is marked as text (CWE-1236; OWASP, CSV injection): people open CSV
files in such programs, and what is in them came from outside.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a formula may begin with."""

NUMBER = r"^[+-]?[0-9]+([.,][0-9]+)*([eE][+-]?[0-9]{1,3})?$"
"""Text that begins as a formula does, and is none."""


def harmless(value: Any) -> Any:
    """
    >>> harmless("=HYPERLINK(A1)"), harmless(-1.5), harmless("-1.5")
    ("'=HYPERLINK(A1)", -1.5, "'-1.5")
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def harmless_table(table: pa.Table) -> pa.Table:
    """Names of columns and cells of text; text that is a number stays as it is, since tables are joined by it.

    >>> harmless_table(pa.table({"@who": ["=1+1", "-7", None, "Ada"]})).to_pydict()
    {"'@who": ["'=1+1", '-7', None, 'Ada']}
    """
    columns = [_harmless_column(column) for column in table.columns]
    return pa.table(columns, names=[harmless(name) for name in table.column_names], metadata=table.schema.metadata)


def _harmless_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    first = pc.utf8_slice_codeunits(column, 0, 1)
    begins = pc.is_in(first, value_set=pa.array(FORMULA, column.type))
    marked = pc.and_(begins, pc.invert(pc.fill_null(pc.match_substring_regex(column, NUMBER), False)))
    mark, nothing = pa.scalar("'", column.type), pa.scalar("", column.type)
    return pc.if_else(marked, pc.binary_join_element_wise(mark, column, nothing), column)
