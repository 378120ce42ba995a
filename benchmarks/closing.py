"""How a benchmark of one file ends: its record is written, its figures are shown, and the verdict is the exit code."""

from __future__ import annotations

import sys
from pathlib import Path

from dissonance.drills.records import Outcome, Record, write_record


def close(record: Record, records: Path) -> int:
    """0 when every limit holds, else 1. `records`: the folder it goes to. Lists are in the record only."""
    path = write_record(records, record)
    for name, value in record.raw.items():
        if isinstance(value, int | float):
            sys.stdout.write(f"{name:24} {value:>12,.4g}\n")
    sys.stdout.write(f"{record.verdict}: {path}\n")
    return 0 if record.verdict is Outcome.PASS else 1
