"""What the commands that verify a hash chain say and exit with."""

from __future__ import annotations

from rich.markup import escape

BROKEN = 1
"""Exit code when something does not hold."""


def chain_words(fault: str | None, what: str | None, seen: str) -> str:
    """`fault`, `what`: the first thing that is broken; None where all holds. `seen`: how much was looked at."""
    if fault is None:
        return f"[green]All holds: {escape(seen)}.[/green]"
    return f"[red]Broken ({escape(fault)}): {escape(what or '')}.[/red]\nLooked at {escape(seen)}."
