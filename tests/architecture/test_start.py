"""Who asks for help, or takes a model back, does not wait for what neither needs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numpy", "scipy", "pandas", "sklearn", "lightgbm", "mlflow", "fastapi", "psycopg", "nats", "aiohttp")

OPENS_MODELS = ("pandas", "sklearn", "skops", "lightgbm", "onnxruntime", "mlflow", "pyarrow")
ROLLBACK = "dissonance.cli, dissonance.cli.connected, dissonance.bootstrap, dissonance.pipeline.taking_back"


def imported(modules: str, of: tuple[str, ...]) -> str:
    program = f"import sys, {modules}; print([name for name in {of} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_listing_the_commands_imports_nothing_heavy() -> None:
    assert imported("dissonance.cli", HEAVY) == "[]"


def test_taking_a_model_back_imports_nothing_that_opens_models() -> None:
    assert imported(ROLLBACK, OPENS_MODELS) == "[]"
