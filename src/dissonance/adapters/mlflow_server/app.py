"""MLflow's server with its access control on, as uvicorn loads it (`--factory`)."""

from __future__ import annotations

from typing import Any

import mlflow.server.auth as auth

from dissonance.adapters.mlflow_server.access import guard, holders


def create() -> Any:
    """The ASGI application. MLflow's table of users gives way to the holders of our tokens before it is opened.

    Raises `ConfigurationError` when it cannot be told whose tokens to take, `EngineError` when it cannot be read which
    of them are revoked: nothing is served then.
    """
    guard()
    auth.store = holders()  # type: ignore[assignment]  # what of it is asked is pinned by tests against a real server
    return auth.create_app()
