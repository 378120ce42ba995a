"""Canaries through what is not our HTTP: gRPC, and the engines' own doors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import aiohttp
import grpc
import msgspec
import nats.errors
from nats.aio.client import Client

from dissonance.adapters.nats.securing import secured
from dissonance.contracts.open_inference_messages import SERVICE, message_class
from dissonance.contracts.topics import EventKind, topic
from dissonance.drills.encryption.given import AMOUNT, PERSON, PLACE, TASK, WEIGHT
from dissonance.drills.encryption.stage import Stage
from dissonance.errors import EngineError
from dissonance.security.tls import Tls, client_context

INFER: Final = f"/{SERVICE}/ModelInfer"
FIELDS: Final = {AMOUNT: "fp64_contents", WEIGHT: "fp64_contents", PLACE: "bytes_contents", PERSON: "bytes_contents"}
CONNECT_S: Final = 2
SEARCH: Final = "/api/2.0/mlflow/registered-models/search"


async def ask_over_grpc(stage: Stage) -> None:
    """A row; a message that is none; and a credential that nobody has."""
    canaries = stage.canaries
    async with _channel(stage) as channel:
        call = channel.unary_unary(INFER)
        right = [("authorization", f"Bearer {stage.token}")]
        wrong = [("authorization", f"Bearer {canaries.text('gRPC, wrong: bearer')}")]
        await call(_message(stage.given.row("gRPC")), metadata=right)
        for body, metadata in (
            (b"\xff" + canaries.raw("gRPC, refused: message"), right),
            (canaries.raw("gRPC, refused: message of nobody"), wrong),
        ):
            try:
                await call(body, metadata=metadata)
            except grpc.aio.AioRpcError:
                continue
            raise EngineError("it was let in", where=INFER, fix="see the log of the proposer")


def _channel(stage: Stage) -> Any:
    address = str(stage.running.ready_of("proposer")["grpc"])
    if stage.is_control:
        return grpc.aio.insecure_channel(address)
    trusted = grpc.ssl_channel_credentials(Path(stage.running.authority).read_bytes())
    return grpc.aio.secure_channel(address, trusted)


def _message(row: dict[str, Any]) -> bytes:
    request = message_class("ModelInferRequest")(model_name=TASK)
    for name, field in FIELDS.items():
        is_text = field == "bytes_contents"
        tensor = request.inputs.add(name=name, datatype="BYTES" if is_text else "FP64", shape=[1])
        getattr(tensor.contents, field).append(row[name].encode() if is_text else row[name])
    content: bytes = request.SerializeToString()
    return content


async def knock_at_engines(stage: Stage) -> None:
    """Wrong credentials at MLflow and at the broker, with an address that says something."""
    canaries, addresses = stage.canaries, stage.addresses
    context = None if stage.is_control else client_context(_tls(stage))
    headers = {"authorization": f"Bearer {canaries.text('MLflow, wrong: bearer')}"}
    url = f"{addresses['mlflow_url']}{SEARCH}?filter={canaries.text('MLflow: query')}"
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers, ssl=context or True) as reply:
        await reply.read()
    _, _, place = addresses["nats_url"].rpartition("@")
    scheme = addresses["nats_url"].partition(":")[0]
    wrong = f"{scheme}://somebody:{canaries.text('NATS, wrong: password')}@{place}"
    try:
        client = await _connected(stage, wrong)
    except (nats.errors.Error, OSError):
        return
    await client.close()
    raise EngineError("the broker let in nobody it knows", where=place, fix="see its log")


async def send_what_is_no_event(stage: Stage) -> None:
    """It becomes a dead letter, as it is."""
    client = await _connected(stage, stage.addresses["nats_url"])
    content = b"no event: " + stage.canaries.raw("dead letter")
    await client.jetstream().publish(topic(EventKind.LABELLED, stage.task_id), content)
    await client.close()


async def _connected(stage: Stage, url: str) -> Client:
    context = None if stage.is_control else client_context(_tls(stage))
    client = Client()

    async def quiet(_: Exception) -> None:
        """The error comes from `connect` as well."""

    options = secured(url, context)
    await client.connect(url, connect_timeout=CONNECT_S, allow_reconnect=False, error_cb=quiet, **options)
    return client


def _tls(stage: Stage) -> Tls:
    return msgspec.convert(stage.addresses["tls"], Tls)
