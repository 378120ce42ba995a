"""Who asks for help, reads what happened, or takes a model back, does not wait for what none of it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "scipy", "pandas", "sklearn", "lightgbm", "mlflow", "fastapi", "psycopg", "nats", "aiohttp")

OPENS_MODELS = ("pandas", "sklearn", "skops", "lightgbm", "onnxruntime", "mlflow", "pyarrow")
SERVES_OR_MIGRATES = ("fastapi", "starlette", "uvicorn", "grpc", "prometheus_client", "sqlalchemy", "alembic")
ROLLBACK = "dissonance.cli, dissonance.cli.connected, dissonance.bootstrap, dissonance.pipeline.taking_back"

READING = {
    "models history": "dissonance.bootstrap, dissonance.pipeline.model_history",
    "models list": "dissonance.bootstrap, dissonance.pipeline.aliases",
    "models updates": "dissonance.bootstrap, dissonance.roles.gate.telling",
    "models who-answered": "dissonance.bootstrap, dissonance.pipeline.who_answered",
    "decisions list": "dissonance.bootstrap, dissonance.roles.gate.decisions",
    "decisions verify": "dissonance.bootstrap, dissonance.pipeline.verifying",
    "status": "dissonance.adapters.embedded.status",
}
"""What each command imports when it runs."""


def imported(modules: str, of: tuple[str, ...]) -> str:
    program = f"import sys, {modules}; print([name for name in {of} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_listing_the_commands_imports_nothing_heavy() -> None:
    assert imported("dissonance.cli", HEAVY) == "[]"


def test_taking_a_model_back_imports_nothing_that_opens_models() -> None:
    assert imported(ROLLBACK, OPENS_MODELS + SERVES_OR_MIGRATES) == "[]"


@pytest.mark.parametrize("command", READING)
def test_reading_what_happened_imports_nothing_that_opens_models_serves_or_migrates(command: str) -> None:
    assert imported(f"dissonance.cli, {READING[command]}", (*OPENS_MODELS, *SERVES_OR_MIGRATES, "scipy")) == "[]"
