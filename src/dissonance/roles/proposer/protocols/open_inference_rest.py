"""The Open Inference Protocol over REST, with Triton's binary tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.open_inference import (
    InferRequest,
    InferResponse,
    InputTensor,
    Live,
    ModelMetadata,
    ModelReady,
    OutputTensor,
    Ready,
    RequestedOutput,
    ServerMetadata,
)
from dissonance.decisions.tensors import Tensor, bytes_of, tensor_of_bytes, tensor_of_json
from dissonance.errors import (
    DissonanceError,
    EngineUnavailable,
    MalformedBody,
    ModelNotFound,
    ModelRefused,
    UnknownTask,
    UnsupportedMediaType,
    VersionNotServed,
)
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.keys import HEADER
from dissonance.roles.proposer.protocols import open_inference
from dissonance.roles.proposer.protocols.open_inference import (
    INFER_PROBLEMS,
    Inference,
    OpenInference,
    check_parameters,
    require_ready,
    server_metadata,
)
from dissonance.roles.role import Workplace
from dissonance.security.permissions import Permission
from dissonance.web.admission import identity_of
from dissonance.web.bodies import explain, json_reply
from dissonance.web.problems import shown
from dissonance.web.routes import Handler, ProtectedRouter

JSON_LENGTH = "inference-header-content-length"
LONGEST_LENGTH = 12
BINARY = "application/octet-stream"
MODEL_PROBLEMS = (UnknownTask, VersionNotServed, EngineUnavailable, ModelNotFound, ModelRefused)
MEDIA_TYPES = ("", "application/json", BINARY)


class Read(NamedTuple):
    """`tensors` in the order of the request's inputs; `body` is all of what came."""

    request: InferRequest
    tensors: list[Tensor]
    body: bytes


def members(error: DissonanceError) -> dict[str, str]:
    """What clients of this protocol look for in an answer that is none."""
    return {"error": shown(error)}


def add_routes(router: ProtectedRouter, place: Workplace, proposer: Proposer) -> None:
    _add_server_routes(router)
    engine = OpenInference(place, proposer)
    _add_model_routes(router, engine)
    _add_infer_routes(router, engine)


def _add_server_routes(router: ProtectedRouter) -> None:
    @router.protected("GET", "/v2", permission=Permission.PREDICT, reply=ServerMetadata, problem_members=members)
    async def v2_server(request: Request) -> Response:
        """Open Inference Protocol: the server and its extensions."""
        return json_reply(server_metadata())

    @router.protected("GET", "/v2/health/live", permission=Permission.PUBLIC, reply=Live, problem_members=members)
    async def v2_live(request: Request) -> Response:
        """Open Inference Protocol: the process is alive."""
        return json_reply(Live())

    @router.protected(
        "GET",
        "/v2/health/ready",
        permission=Permission.PUBLIC,
        reply=Ready,
        problems=[EngineUnavailable],
        problem_members=members,
    )
    async def v2_ready(request: Request) -> Response:
        """Open Inference Protocol: every role of the process is ready."""
        await require_ready(request.app.state.health)
        return json_reply(Ready())


def _add_model_routes(router: ProtectedRouter, engine: OpenInference) -> None:
    async def described(task: str, version: str = "") -> Response:
        return json_reply(await engine.metadata(task, version))

    async def found_ready(request: Request, task: str, version: str = "") -> Response:
        await require_ready(request.app.state.health)
        await engine.metadata(task, version)
        return json_reply(ModelReady(task))

    def route(path: str, reply: type[ModelMetadata | ModelReady]) -> Callable[[Handler], Handler]:
        return router.protected(
            "GET", path, permission=Permission.PREDICT, reply=reply, problems=MODEL_PROBLEMS, problem_members=members
        )

    @route("/v2/models/{task}", ModelMetadata)
    async def v2_model(request: Request, task: str) -> Response:
        """Open Inference Protocol: what a task takes and answers."""
        return await described(task)

    @route("/v2/models/{task}/versions/{version}", ModelMetadata)
    async def v2_model_version(request: Request, task: str, version: str) -> Response:
        """Open Inference Protocol: the same, if this version answers now."""
        return await described(task, version)

    @route("/v2/models/{task}/ready", ModelReady)
    async def v2_model_ready(request: Request, task: str) -> Response:
        """Open Inference Protocol: the task has a model that answers."""
        return await found_ready(request, task)

    @route("/v2/models/{task}/versions/{version}/ready", ModelReady)
    async def v2_model_version_ready(request: Request, task: str, version: str) -> Response:
        """Open Inference Protocol: this version answers now."""
        return await found_ready(request, task, version)


def _add_infer_routes(router: ProtectedRouter, engine: OpenInference) -> None:
    def route(path: str) -> Callable[[Handler], Handler]:
        return router.protected(
            "POST",
            path,
            permission=Permission.PREDICT,
            body=InferRequest,
            reply=InferResponse,
            problems=INFER_PROBLEMS,
            other_bodies=[BINARY],
            other_replies=[BINARY],
            problem_members=members,
        )

    @route("/v2/models/{task}/infer")
    async def v2_infer(request: Request, task: str) -> Response:
        """Open Inference Protocol: answer rows; the answers are recorded before they are sent."""
        return await _infer(engine, request, task, "")

    @route("/v2/models/{task}/versions/{version}/infer")
    async def v2_infer_version(request: Request, task: str, version: str) -> Response:
        """Open Inference Protocol: the same, if this version is the one that answers."""
        return await _infer(engine, request, task, version)


async def _infer(engine: OpenInference, request: Request, task: str, version: str) -> Response:
    read = await _read(request)
    outputs = read.request.outputs or None
    inference = await engine.infer(
        open_inference.Request(
            task,
            version,
            read.tensors,
            [output.name for output in outputs] if outputs else None,
            identity_of(request.scope).name,
            request.headers.get(HEADER.decode()),
            read.body,
        )
    )
    return _reply(task, read.request, inference)


async def _read(request: Request) -> Read:
    _check_media_type(request)
    body = await request.body()
    length = request.headers.get(JSON_LENGTH)
    if length is not None and not (_is_number(length) and int(length) <= len(body)):
        raise MalformedBody(
            "not the length of the JSON that the body begins with",
            where="header Inference-Header-Content-Length",
            fix="send the number of bytes before the first tensor's",
        )
    split = len(body) if length is None else int(length)
    data, binary = body[:split], body[split:]
    try:
        asked = msgspec.json.decode(data, type=InferRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        explain(data, error)
    check_parameters(asked.parameters, {"binary_data_output"}, "body")
    for number, output in enumerate(asked.outputs or ()):
        check_parameters(output.parameters, {"binary_data"}, f"outputs[{number}]")
    return Read(asked, _tensors(asked.inputs, binary), body)


def _is_number(text: str) -> bool:
    """Of as many digits as a length can have: Python refuses to read thousands of them."""
    return len(text) <= LONGEST_LENGTH and text.isascii() and text.isdigit()


def _check_media_type(request: Request) -> None:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity")
    if media not in MEDIA_TYPES or coding != "identity":
        raise UnsupportedMediaType(
            "the body is neither JSON nor JSON with binary tensors, or it is compressed",
            where="header Content-Type" if coding == "identity" else "header Content-Encoding",
            fix=f"send 'Content-Type: application/json' or '{BINARY}', and no Content-Encoding",
        )


def _tensors(inputs: Sequence[InputTensor], binary: bytes) -> list[Tensor]:
    tensors: list[Tensor] = []
    position = 0
    for number, tensor in enumerate(inputs):
        where = f"inputs[{number}]"
        check_parameters(tensor.parameters, {"binary_data_size"}, where)
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            if tensor.data is None:
                raise MalformedBody("the tensor has no data", where=f"{where}.data", fix="send data")
            tensors.append(tensor_of_json(tensor.name, tensor.datatype, tensor.shape, tensor.data, where))
            continue
        if type(size) is not int or not 0 <= size <= len(binary) - position or tensor.data is not None:
            raise MalformedBody(
                "not the number of bytes that the tensor has after the JSON",
                where=f"{where}, parameters, binary_data_size",
                fix="send as many bytes, and no data in the JSON",
            )
        raw = binary[position : position + size]
        tensors.append(tensor_of_bytes(tensor.name, tensor.datatype, tensor.shape, raw, where))
        position += size
    if position != len(binary):
        raise MalformedBody(
            f"{len(binary) - position} bytes belong to no tensor", where="body", fix="name them: binary_data_size"
        )
    return tensors


def _reply(task: str, asked: InferRequest, inference: Inference) -> Response:
    by_default = asked.parameters.get("binary_data_output") is True
    requested = asked.outputs or [RequestedOutput(tensor.name) for tensor in inference.outputs]
    outputs: list[OutputTensor] = []
    binary: list[bytes] = []
    for tensor, output in zip(inference.outputs, requested, strict=True):
        shape = list(tensor.shape)
        if output.parameters.get("binary_data", by_default) is True:
            binary.append(bytes_of(tensor.datatype, tensor.values))
            outputs.append(OutputTensor(tensor.name, shape, tensor.datatype, {"binary_data_size": len(binary[-1])}))
        else:
            outputs.append(OutputTensor(tensor.name, shape, tensor.datatype, data=tensor.values))
    reply = InferResponse(
        model_name=task,
        model_version=inference.version,
        id=asked.id,
        parameters=inference.parameters,
        outputs=outputs,
    )
    if not binary:
        return json_reply(reply)
    head = msgspec.json.encode(reply)
    return Response(b"".join([head, *binary]), headers={JSON_LENGTH: str(len(head))}, media_type=BINARY)
