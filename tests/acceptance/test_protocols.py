"""Clients that nobody here wrote ask a running system in the protocols that they speak already."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pandas as pd
import pyarrow as pa
import pytest

from dissonance import __version__
from dissonance.bootstrap import open_system
from dissonance.contracts.api import Row
from dissonance.data import acs_employment_path
from dissonance.drills import census
from dissonance.drills.client import connector_to
from dissonance.drills.system import TWO_PROCESSES, RunningSystem
from dissonance.settings import Settings
from dissonance.web.arrow_bodies import ARROW
from support.protocols import stream_of
from support.source import ROOT

TRAINING_ROWS = 3_000
ROWS = 40
CLIENTS = ROOT / "tests" / "clients"
THEIR_PYTHON = ROOT / ".venv-clients" / "bin" / "python"
DATATYPES = {int: "INT64", float: "FP64", str: "BYTES"}


@pytest.mark.timeout(600)
def test_clients_of_others_are_answered_as_ours_are(tmp_path: Path) -> None:
    asyncio.run(ask_in_every_protocol(tmp_path))


async def ask_in_every_protocol(folder: Path) -> None:
    records, _ = census.traffic(ROWS)
    settings = {"grpc_port": "0"}
    async with RunningSystem(folder / "data", folder / "logs", TWO_PROCESSES, settings) as running:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        proposer = await running.start("proposer")
        await running.start("backstage")
        token = await running.token("client", task=census.TASK)
        address = running.url("proposer").removeprefix("https://")
        async with running.client("proposer", token) as client:
            ours = await client.predict(census.TASK, records)
        expected = {
            "answer": [prediction.answer for prediction in ours.predictions],
            "probabilities": [pytest.approx(prediction.probabilities) for prediction in ours.predictions],
        }
        ids = [prediction.prediction_id for prediction in ours.predictions]
        ids += await ask_as_triton(address, str(proposer.ready["grpc"]), running.authority, token, records, expected)
        ids += await ask_as_mlflow(address, running.authority, token, records, expected)
        ids += await ask_in_arrow(running, token, records, expected)
        assert len(set(ids)) == len(ids) == ROWS * 8
        await settled(folder / "data", len(ids))
        await run_the_page(running, folder, str(proposer.ready["grpc"]))


async def run_the_page(running: RunningSystem, folder: Path, grpc: str) -> None:
    """Every example of docs/protocols.md word for word, but for the ports: each tells a prediction's id."""
    frame = pd.read_parquet(acs_employment_path())
    frame[frame["AGEP"] >= 16].head(TRAINING_ROWS).to_parquet(folder / "employment.parquet")
    data = ("--data", str(folder / "employment.parquet"), "--target", "employed", "--numeric", "year")
    await running.command("task", "create", "employment", *data)
    token = await running.token("client", task="employment")
    page = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    page = page.replace("127.0.0.1:8080", running.url("proposer").removeprefix("https://")).replace(
        "127.0.0.1:8001", grpc
    )
    examples = re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    examples = [(language, text) for language, text in examples if not text.startswith("dissonance ")]
    assert [language for language, _ in examples] == ["sh", "python", "sh", "python", "python"]
    for language, text in examples:
        theirs = str(THEIR_PYTHON) if "tritonclient" in text else sys.executable
        command = ["bash", "-euc", text] if language == "sh" else [theirs, "-c", text]
        told = await run(command, {**os.environ, "TOKEN": token, "CA": running.authority})
        assert re.search(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-", told), told


async def ask_as_triton(
    http: str, grpc: str, authority: str, token: str, records: list[Row], expected: dict[str, Any]
) -> list[str]:
    assert THEIR_PYTHON.exists(), (
        "their environment is missing: make test makes it, and so does make .venv-clients/.stamp"
    )
    columns = {name: (DATATYPES[type(records[0][name])], [row[name] for row in records]) for name in records[0]}
    asked = {
        "http": http,
        "grpc": grpc,
        "authority": authority,
        "token": token,
        "task": census.TASK,
        "columns": columns,
    }
    told = await say(str(THEIR_PYTHON), CLIENTS / "triton.py", asked)
    ids: list[str] = []
    for protocol, stranger, missing in (("http", "401", "404"), ("grpc", "UNAUTHENTICATED", "NOT_FOUND")):
        of = told[protocol]
        assert (of["live"], of["ready"], of["model_ready"], of["other_version_ready"]) == (True, True, True, False)
        assert (of["server"]["name"], of["server"]["version"]) == ("dissonance", __version__)
        assert {tensor["name"] for tensor in of["metadata"]["inputs"]} == set(records[0])
        for answer in of["answers"]:
            assert {name: answer[name] for name in expected} == expected
            assert answer["version"] == "1"
            ids += answer["prediction_id"]
        assert missing in of["other_version"][0]
        assert "version 1 does" in of["other_version"][1]
        assert "rows[0].SEX" in of["unseen"][1]
        assert stranger in of["stranger"][0]
        assert ("403" if protocol == "http" else "PERMISSION_DENIED") in of["no_task"][0]
    assert [answer["id"] for of in told.values() for answer in of["answers"]] == ["one", "two", "three"]
    assert "UNIMPLEMENTED" in told["grpc"]["unserved"][0]
    return ids


async def ask_as_mlflow(
    address: str, authority: str, token: str, records: list[Row], expected: dict[str, Any]
) -> list[str]:
    host, _, port = address.partition(":")
    columns = {name: [row[name] for row in records] for name in records[0]}
    asked = {
        "host": host,
        "port": int(port),
        "authority": authority,
        "token": token,
        "task": census.TASK,
        "columns": columns,
    }
    told = await say(sys.executable, CLIENTS / "mlflow_scoring.py", asked)
    scoring, deployments = told["scoring_server"], told["deployments"]
    ids: list[str] = []
    for answer in (*scoring["answers"], *deployments["answers"]):
        assert (answer["predictions"], answer["probabilities"]) == (expected["answer"], expected["probabilities"])
        assert answer["model_version"] == 1
        ids += answer["prediction_ids"]
    assert scoring["frame"] == scoring["array"] == expected["answer"]
    assert scoring["version"] == __version__
    assert "rows[0].SEX" in scoring["unseen"]
    assert "error code 422" in scoring["params"]
    assert "UNAUTHENTICATED" in scoring["stranger"]
    assert "403" in deployments["no_task"]
    return ids


async def ask_in_arrow(running: RunningSystem, token: str, records: list[Row], expected: dict[str, Any]) -> list[str]:
    headers = {"authorization": f"Bearer {token}", "content-type": ARROW, "accept": ARROW}
    body = stream_of(pa.Table.from_pylist(records))
    async with (
        aiohttp.ClientSession(connector=connector_to(running.trust())) as session,
        session.post(f"{running.url('proposer')}/v1/tasks/{census.TASK}/predict", data=body, headers=headers) as reply,
    ):
        assert reply.status == 200
        with pa.ipc.open_stream(await reply.read()) as reader:
            table = reader.read_all()
    assert table["answer"].to_pylist() == expected["answer"]
    told = zip(
        *(table[name].to_pylist() for name in table.column_names if name.startswith("probability_")), strict=True
    )
    assert [list(p) for p in told] == expected["probabilities"]
    return [str(prediction_id) for prediction_id in table["prediction_id"].to_pylist()]


async def say(python: str, script: Path, asked: dict[str, Any]) -> Any:
    return msgspec.json.decode(await run([python, str(script), msgspec.json.encode(asked).decode()], os.environ))


async def run(command: Sequence[str], environment: Mapping[str, str]) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    out, _ = await process.communicate()
    assert process.returncode == 0, command
    return out


async def settled(folder: Path, rows: int) -> None:
    """Until so many rows are stored; the test's time limit ends a wait in vain."""
    async with open_system(Settings(data=str(folder))) as system:
        task = await system.store.by_name(census.TASK)
        while True:
            counts = await system.store.counts(task.task_id)
            if counts.admitted + counts.blocked >= rows:
                assert counts.admitted + counts.blocked == rows
                return
            await asyncio.sleep(0.1)
