"""`dissonance --help` answers at once: what is heavy is imported inside the command that needs it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numpy", "scipy", "pandas", "sklearn", "lightgbm", "mlflow", "fastapi", "psycopg", "nats", "aiohttp")


def test_listing_the_commands_imports_nothing_heavy() -> None:
    program = f"import sys, dissonance.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
