"""Runs as a program of its own, as the owner of MLflow's database, whose address is in `MLFLOW_TRACKING_URI`.

It makes or upgrades MLflow's tables as `mlflow db upgrade` does, which would show the address in the list of processes.
Harmless where they are up to date.
"""

from mlflow.db import upgrade
from mlflow.environment_variables import MLFLOW_TRACKING_URI

if __name__ == "__main__":
    upgrade.main([MLFLOW_TRACKING_URI.get()])  # type: ignore[no-untyped-call]  # untyped in MLflow
