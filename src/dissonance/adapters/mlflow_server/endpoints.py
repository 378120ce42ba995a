"""Every address that MLflow's server answers at, from its own lists: for who walks them all."""

from __future__ import annotations

import re
import warnings

PARAMETER = re.compile(r"<[^>]*>|\{[^}]*\}")
BESIDE = (
    ("POST", "/v1/traces"),
    ("GET", "/gateway/x/mlflow/invocations"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
)
"""Of its other applications, and two that servers like it often have."""


def endpoints() -> list[tuple[str, str]]:
    """Methods and paths, parameters filled with `0`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow imports a part of Starlette that is to go
        import mlflow.server.auth.routes as auth_routes
        from mlflow.server.handlers import get_endpoints
    found = [(method, path) for path, _, methods in get_endpoints() for method in methods]  # type: ignore[no-untyped-call]  # untyped in MLflow
    own = [value for name, value in vars(auth_routes).items() if name.isupper() and isinstance(value, str)]
    found += [(method, path) for path in own if path.startswith("/") for method in ("GET", "POST")]
    return sorted({(method, PARAMETER.sub("0", path)) for method, path in (*found, *BESIDE)})
