"""The Open Inference Protocol over gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dissonance.contracts.open_inference_messages import CHOICE, SERVICE, message_class
from dissonance.decisions.tensors import BYTES, Tensor, bytes_of, tensor_of_bytes, tensor_of_json
from dissonance.errors import DissonanceError, MalformedBody, WrongType
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.protocols.open_inference import (
    Inference,
    OpenInference,
    Request,
    check_parameters,
    require_ready,
    server_metadata,
)
from dissonance.roles.role import Workplace
from dissonance.security.identity import Identity
from dissonance.security.permissions import Permission
from dissonance.web.admission import require
from dissonance.web.grpc_service import Call, GrpcService, Method

CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""Where a datatype's elements are in `InferTensorContents`; FP16 is told in raw bytes only."""


PERMISSIONS: Mapping[str, Permission] = {
    "ServerLive": Permission.PUBLIC,
    "ServerReady": Permission.PUBLIC,
    "ServerMetadata": Permission.PREDICT,
    "ModelReady": Permission.PREDICT,
    "ModelMetadata": Permission.PREDICT,
    "ModelInfer": Permission.PREDICT,
}
"""Of every method that there is."""


def service(place: Workplace, proposer: Proposer) -> GrpcService:
    served = _Served(OpenInference(place, proposer))
    handlers = {
        "ServerLive": served.live,
        "ServerReady": served.ready,
        "ServerMetadata": served.metadata,
        "ModelReady": served.model_ready,
        "ModelMetadata": served.model_metadata,
        "ModelInfer": served.infer,
    }
    return GrpcService(
        SERVICE,
        {
            name: Method(permission, message_class(f"{name}Request"), handlers[name])
            for name, permission in PERMISSIONS.items()
        },
    )


class _Served:
    def __init__(self, engine: OpenInference) -> None:
        self._engine = engine

    async def live(self, call: Call) -> Any:
        return message_class("ServerLiveResponse")(live=True)

    async def ready(self, call: Call) -> Any:
        return message_class("ServerReadyResponse")(ready=(await call.health.readiness()).ready)

    async def metadata(self, call: Call) -> Any:
        told = server_metadata()
        return message_class("ServerMetadataResponse")(name=told.name, version=told.version, extensions=told.extensions)

    async def model_ready(self, call: Call) -> Any:
        """Not ready is an answer here, no error: but for whoever may not ask."""
        _identity_for(call, call.message.name)
        try:
            await require_ready(call.health)
            await self._engine.metadata(call.message.name, call.message.version)
        except DissonanceError:
            return message_class("ModelReadyResponse")(ready=False)
        return message_class("ModelReadyResponse")(ready=True)

    async def model_metadata(self, call: Call) -> Any:
        _identity_for(call, call.message.name)
        told = await self._engine.metadata(call.message.name, call.message.version)
        reply = message_class("ModelMetadataResponse")(name=told.name, versions=told.versions, platform=told.platform)
        for listed, tensors in ((reply.inputs, told.inputs), (reply.outputs, told.outputs)):
            for tensor in tensors:
                listed.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        return reply

    async def infer(self, call: Call) -> Any:
        asked = call.message
        identity = _identity_for(call, asked.model_name)
        check_parameters(_parameters(asked), (), "request")
        for number, output in enumerate(asked.outputs):
            check_parameters(_parameters(output), (), f"outputs[{number}]")
        inference = await self._engine.infer(
            Request(
                asked.model_name,
                asked.model_version,
                _tensors(asked),
                [output.name for output in asked.outputs] or None,
                identity.name,
                call.key,
                call.body,
            )
        )
        return _reply(asked, inference)


def _identity_for(call: Call, task: str) -> Identity:
    """Raises `Forbidden` for a task that the token does not name."""
    assert call.identity is not None
    require(call.identity, Permission.PREDICT, task)
    return call.identity


def _parameters(message: Any) -> dict[str, Any]:
    return {name: getattr(value, value.WhichOneof(CHOICE) or "", None) for name, value in message.parameters.items()}


def _tensors(asked: Any) -> list[Tensor]:
    raw = asked.raw_input_contents
    if raw and (len(raw) != len(asked.inputs) or any(tensor.HasField("contents") for tensor in asked.inputs)):
        raise MalformedBody(
            f"{len(raw)} raw contents came for {len(asked.inputs)} tensors",
            where="raw_input_contents",
            fix="send one for each tensor, and no contents beside it",
        )
    tensors = []
    for number, tensor in enumerate(asked.inputs):
        where = f"inputs[{number}]"
        check_parameters(_parameters(tensor), (), where)
        if raw:
            tensors.append(tensor_of_bytes(tensor.name, tensor.datatype, tensor.shape, raw[number], where))
        else:
            values = _typed(tensor, where)
            tensors.append(tensor_of_json(tensor.name, tensor.datatype, tensor.shape, values, where))
    return tensors


def _typed(tensor: Any, where: str) -> list[Any]:
    field = CONTENTS.get(tensor.datatype)
    if field is None:
        raise WrongType(
            f"'{tensor.datatype[:20]}' has no contents", where=f"{where}.datatype", fix="use raw_input_contents"
        )
    values = list(getattr(tensor.contents, field))
    if tensor.datatype != BYTES:
        return values
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as error:
        raise WrongType("an element is not text in UTF-8", where=f"{where}.contents", fix="send UTF-8") from error


def _reply(asked: Any, inference: Inference) -> Any:
    """In the form in which the request came: raw, or typed."""
    reply = message_class("ModelInferResponse")(
        model_name=asked.model_name, model_version=inference.version, id=asked.id
    )
    for name, value in inference.parameters.items():
        reply.parameters[name].string_param = str(value)
    for tensor in inference.outputs:
        output = reply.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if asked.raw_input_contents:
            reply.raw_output_contents.append(bytes_of(tensor.datatype, tensor.values))
        else:
            values = [value.encode() for value in tensor.values] if tensor.datatype == BYTES else tensor.values
            getattr(output.contents, CONTENTS[tensor.datatype]).extend(values)
    return reply
