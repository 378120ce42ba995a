"""MLflow's own clients, in a process of their own: ask a running system, and print what they were told.

One argument, JSON: `host`, `port`, `authority` (path of a CA certificate), `token`, `task`, and `columns`: name to
values. `ScoringServerClient` knows no tokens: there it is the password of the address. `mlflow.deployments` takes it
from the environment.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pandas as pd
from mlflow.deployments import get_deploy_client
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def scoring_server(asked: dict[str, Any]) -> dict[str, Any]:
    frame = pd.DataFrame(asked["columns"])
    client = by_tls(ScoringServerClient(f"token:{asked['token']}@{asked['host']}", asked["port"]))
    client.wait_server_ready()
    answered = client.invoke(frame)
    records = json.dumps({"dataframe_records": frame.to_dict("records")})
    wrong = frame.assign(SEX=3)
    return {
        "version": client.get_version(),
        "answers": [dict(answered), dict(client.invoke(records))],
        "frame": answered.get_predictions("dataframe")[0].tolist(),
        "array": answered.get_predictions("ndarray").tolist(),
        "unseen": refusal(lambda: client.invoke(wrong)),
        "params": refusal(lambda: client.invoke(frame, params={"temperature": 1})),
        "stranger": refusal(lambda: by_tls(ScoringServerClient(asked["host"], asked["port"])).invoke(frame)),
    }


def by_tls(client: ScoringServerClient) -> ScoringServerClient:
    """It does not ask which of the two."""
    client.url_prefix = client.url_prefix.replace("http:", "https:")
    return client


def deployments(asked: dict[str, Any]) -> dict[str, Any]:
    os.environ["DATABRICKS_HOST"] = f"https://{asked['host']}:{asked['port']}"
    os.environ["DATABRICKS_TOKEN"] = asked["token"]
    os.environ["MLFLOW_ENABLE_DB_SDK"] = "false"
    client = get_deploy_client("databricks")
    frame = pd.DataFrame(asked["columns"])
    split = frame.to_dict(orient="split")
    return {
        "answers": [dict(client.predict(endpoint=asked["task"], inputs={"dataframe_split": split}))],
        "no_task": refusal(lambda: client.predict(endpoint="elsewhere", inputs={"dataframe_split": split})),
    }


def refusal(ask: Any) -> str:
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - MLflow's client raises Exception itself
        return str(error)
    raise AssertionError("it was answered")


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    os.environ["REQUESTS_CA_BUNDLE"] = arguments["authority"]
    told = {"scoring_server": scoring_server(arguments), "deployments": deployments(arguments)}
    sys.stdout.write(json.dumps(told) + "\n")
