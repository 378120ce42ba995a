"""Arguments and options that many commands have, each said once; and the variables that a data folder stands in for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

TaskName = Annotated[str, typer.Argument(metavar="TASK", help="The task's name.")]
Data = Annotated[str | None, typer.Option(help="The data folder. Default: $DISSONANCE_DATA.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def variables_of(data: str | Path | None) -> dict[str, str]:
    """The environment's, with `data` in place of `DISSONANCE_DATA`; None leaves that as it is."""
    return dict(os.environ) if data is None else {**os.environ, "DISSONANCE_DATA": str(data)}
