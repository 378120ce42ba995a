"""Canaries through HTTP: rows in every protocol, labels, free text, credentials, addresses, and what is refused."""

from __future__ import annotations

import asyncio
import json
import struct
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import pyarrow as pa

from dissonance.adapters.clock import SystemClock
from dissonance.contracts.times import to_text
from dissonance.drills.encryption.given import AMOUNT, PERSON, PLACE, TASK, WEIGHT
from dissonance.drills.encryption.logins import log_in
from dissonance.drills.encryption.stage import OK, REFUSED, Stage
from dissonance.errors import TimedOut

HOME: Final = f"/v1/tasks/{TASK}"
PREDICT: Final = f"{HOME}/predict"
ARROW: Final = "application/vnd.apache.arrow.stream"
UNKNOWN: Final = frozenset({401, 429})
TRAFFIC: Final = 300
STORED_S: Final = 120.0
LOOK_S: Final = 0.5


async def ask_everything(stage: Stage) -> list[str]:
    """Prediction ids of what was answered by `predict`."""
    ids = await _rows(stage)
    await log_in(stage)
    await _other_protocols(stage)
    await _labels(stage, ids)
    await _free_text(stage)
    await _refused(stage)
    await _credentials(stage)
    await _addresses(stage)
    await _in_windows(stage)
    return ids


async def _rows(stage: Stage) -> list[str]:
    given, key = stage.given, {"idempotency-key": stage.canaries.text("idempotency key")}
    first = await stage.ask(PREDICT, {"rows": [given.row("predict")]}, headers=key)
    later = await stage.ask(f"{PREDICT}?contradict=true", {"rows": [given.row("predict, doubted")]})
    await stage.ask(f"{HOME}/run_once", {"rows": [given.row("run_once")]})
    await stage.ask(f"{HOME}/contradict", {"rows": [given.row("contradict")]}, role="critic")
    await stage.ask(f"{HOME}/check", {"rows": [given.row("check")]}, role="gate")
    many = await stage.ask(PREDICT, {"rows": given.rows(TRAFFIC)})
    return [each["prediction_id"] for reply in (first, later, many) for each in json.loads(reply)["predictions"]]


async def _other_protocols(stage: Stage) -> None:
    given = stage.given
    row = given.row("invocations, CSV")
    lines = f"{','.join(row)}\n{','.join(map(str, row.values()))}\n".encode()
    await stage.ask(f"{HOME}/invocations", lines, headers={"content-type": "text/csv"})
    await stage.ask(f"{HOME}/invocations", {"dataframe_records": [given.row("invocations, JSON")]})
    await stage.ask(PREDICT, _arrow(given.row("Arrow")), headers={"content-type": ARROW})
    infer = f"/v2/models/{TASK}/infer"
    await stage.ask(infer, {"inputs": _tensors(given.row("Open Inference"))})
    head, tail = _binary(given.row("Open Inference, binary"))
    await stage.ask(infer, head + tail, headers={"inference-header-content-length": str(len(head))})


def _arrow(row: dict[str, Any]) -> bytes:
    table, sink = pa.Table.from_pylist([row]), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _tensors(row: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {AMOUNT: "FP64", WEIGHT: "FP64", PLACE: "BYTES", PERSON: "BYTES"}
    return [{"name": name, "datatype": kinds[name], "shape": [1], "data": [value]} for name, value in row.items()]


def _binary(row: dict[str, Any]) -> tuple[bytes, bytes]:
    """The number as its eight bytes, behind the JSON."""
    tensors = _tensors(row)
    amount = next(each for each in tensors if each["name"] == AMOUNT)
    content = struct.pack("<d", *amount.pop("data"))
    amount["parameters"] = {"binary_data_size": len(content)}
    return msgspec.json.encode({"inputs": tensors}), content


async def _labels(stage: Stage, ids: list[str]) -> None:
    """At once and by whom a row is about; corrected; withdrawn; by request; and refused. The class is a canary."""
    canaries, path = stage.canaries, f"{HOME}/labels"
    await _stored(stage, len(ids))
    label, other = stage.given.classes

    async def send(source: str, **fields: Any) -> None:
        body = {"labels": [fields], "source": source}
        await stage.ask(path, body, role="learner")

    await send(canaries.text("labels: source"), prediction_id=ids[0], label=label)
    await send("api", data_subject=canaries.text("predict, doubted: data subject"), label=label, event_time=_soon())
    await send("api", prediction_id=ids[0], label=other)
    await send("api", prediction_id=ids[2], label=label)
    await send("api", prediction_id=ids[2], withdrawn=True)
    for name, fields in {
        "class": {"prediction_id": ids[3], "label": canaries.text("labels, refused: class")},
        "prediction": {"prediction_id": canaries.text("labels, refused: prediction"), "label": label},
        "data subject": {"data_subject": canaries.text("labels, refused: data subject"), "label": label},
    }.items():
        await stage.ask(path, {"labels": [fields], "source": name}, role="learner", expected=REFUSED)
    await stage.command("labels", "ask", TASK, "--count", "5")
    taken = json.loads(await stage.ask(f"{HOME}/label-requests/lease", {"count": 1}, role="learner"))
    request = f"{HOME}/label-requests/{taken['requests'][0]['request_id']}/answer"
    refused = {"label": canaries.text("label request, refused: class")}
    await stage.ask(request, refused, role="learner", expected=REFUSED)
    await stage.ask(request, {"label": label}, role="learner")


def _soon() -> str:
    """Later than any row was sent."""
    return to_text(SystemClock().now_us() + 60_000_000)


async def _free_text(stage: Stage) -> None:
    canaries = stage.canaries
    change = {"changes": {"D_target": 0.11}, "reason": canaries.text("policy: reason")}
    await stage.ask(f"{HOME}/policy", change, role="meta")
    unknown = {"changes": {canaries.text("policy, refused: name"): 1}, "reason": "none"}
    await stage.ask(f"{HOME}/policy", unknown, role="meta", expected=REFUSED)
    await stage.ask(f"{HOME}/retrain", {"reason": canaries.text("retrain: reason")}, role="evaluator")


async def _refused(stage: Stage) -> None:
    """Bodies that are not what they should be: nothing of them may be kept or logged."""
    canaries, row = stage.canaries, stage.given.rows(1)[0]
    bodies: dict[str, object] = {
        "category": {"rows": [{**row, PLACE: canaries.text("refused: category")}]},
        "number": {"rows": [{**row, AMOUNT: canaries.text("refused: number")}]},
        "field": {"rows": [{**row, canaries.text("refused: field"): 1}]},
        "member": {"rows": [row], canaries.text("refused: member"): 1},
        "JSON": b'{"rows": [{"amount": ' + canaries.raw("refused: JSON"),
        "text": f'{{"rows": "{canaries.text("refused: text")}"}}'.encode(),
        "depth": b"[" * 5_000 + canaries.text("refused: depth").encode(),
    }
    for body in bodies.values():
        await stage.ask(PREDICT, body, expected=REFUSED)
    others = {
        "Arrow": (PREDICT, {"content-type": ARROW}),
        "CSV": (f"{HOME}/invocations", {"content-type": "text/csv"}),
        "type of content": (PREDICT, {"content-type": canaries.text("refused: name of a type of content")}),
        "tensors": (f"/v2/models/{TASK}/infer", {}),
    }
    for name, (path, headers) in others.items():
        await stage.ask(path, canaries.raw(f"refused: {name}"), headers=headers, expected=REFUSED)
    nobody = {"authorization": ""}
    await stage.ask(PREDICT, canaries.raw("refused: body of nobody"), headers=nobody, expected=UNKNOWN)


async def _credentials(stage: Stage) -> None:
    """Wrong ones in every place for them; and right ones, which are canaries as they are."""
    canaries = stage.canaries
    claims = urlsafe_b64encode(json.dumps({"sub": canaries.text("token, wrong: claims")}).encode()).decode().rstrip("=")
    login = b64encode(f"{canaries.text('Basic: user')}:{canaries.text('Basic: password')}".encode()).decode()
    headers = {
        "bearer": f"Bearer {canaries.text('token, wrong: text')}",
        "claims": f"Bearer eyJhbGciOiJFUzI1NiJ9.{claims}.{claims}",
        "basic": f"Basic {login}",
        "key": f"Bearer dsk_{canaries.text('API key, wrong')[:16]}_{canaries.text('API key, wrong')}00000000000",
        "scheme": f"{canaries.text('authorization: scheme')} x",
    }
    for value in headers.values():
        await stage.ask(PREDICT, b"{}", headers={"authorization": value}, expected=UNKNOWN)
    made = await stage.command("token", "key", "create", "--grant", "client", "--name", "canary", "--task", TASK)
    token = await stage.running.token("client", task=TASK)
    canaries.known("API key, right: secret", made["key"].split("_", 2)[2])
    canaries.known("token, right: signature", token.rpartition(".")[2])
    for credential in (made["key"], token):
        await stage.ask(PREDICT, {"rows": stage.given.rows(1)}, headers={"authorization": f"Bearer {credential}"})


async def _addresses(stage: Stage) -> None:
    canaries = stage.canaries
    everything = OK | REFUSED
    for path in (
        f"{HOME}/models?x={canaries.text('address: query')}",
        f"{HOME}/models?limit={canaries.text('address: known query')}",
        f"/{canaries.text('address: path')}",
    ):
        await stage.ask(path, method="GET", expected=everything)
    headers = {
        name: canaries.text(f"header: {name}") for name in ("user-agent", "referer", "cookie", "x-forwarded-for")
    }
    await stage.ask(f"{HOME}/models", method="GET", headers=headers, expected=everything)


async def _stored(stage: Stage, least: int) -> None:
    async def enough() -> bool:
        shown = await stage.command("task", "show", TASK)
        return bool(shown["admitted"] + shown["blocked"] >= least)

    await _until(enough, "the rows are not stored")


async def _in_windows(stage: Stage) -> None:
    """Until a window tells of slices: they speak of categories."""

    async def stated() -> bool:
        told = json.loads(await stage.ask(f"{HOME}/windows", method="GET", role="evaluator"))
        return any(each["rows"] >= TRAFFIC for each in told["windows"])

    await _until(stated, "no window was stated")


async def _until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Raises `TimedOut`, saying `what`."""
    try:
        async with asyncio.timeout(STORED_S):
            while not await holds():
                await asyncio.sleep(LOOK_S)
    except TimeoutError as error:
        raise TimedOut(what, where="encryption drill", fix="read the logs of its folder") from error
