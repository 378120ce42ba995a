"""What people would see on a console of some width."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console


def printed(*shown: Any, width: int = 200) -> str:
    """Each is printed, or prints itself when it is called with the console."""
    out = StringIO()
    console = Console(file=out, width=width)
    for each in shown:
        if callable(each):
            each(console)
        else:
            console.print(each)
    return out.getvalue()
