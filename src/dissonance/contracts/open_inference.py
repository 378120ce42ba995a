"""Bodies of the Open Inference Protocol, version 2, over REST, as its specification names them.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

from typing import Any

import msgspec

Parameters = dict[str, bool | int | float | str]


class InputTensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` flat or nested, row-major; left out where its bytes follow the JSON (`binary_data_size`)."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = {}
    data: list[Any] | None = None


class RequestedOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    parameters: Parameters = {}


class InferRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`outputs` left out: all of them."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: Parameters = {}
    outputs: list[RequestedOutput] | None = None


class OutputTensor(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = {}
    data: list[Any] | None = None


class InferResponse(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`model_version` is the one that answered. `parameters`: `classes`, JSON, in the order of `probabilities`, and
    `model_digest`."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | None = None
    parameters: Parameters = {}


class TensorMetadata(msgspec.Struct, frozen=True):
    """A size of -1 is any."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct, frozen=True):
    """`versions` are those that answer here now."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(msgspec.Struct, frozen=True):
    name: str
    version: str
    extensions: list[str]


class Live(msgspec.Struct, frozen=True):
    live: bool = True


class Ready(msgspec.Struct, frozen=True):
    ready: bool = True


class ModelReady(msgspec.Struct, frozen=True):
    name: str
    ready: bool = True
