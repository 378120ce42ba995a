"""The Open Inference Protocol over gRPC, on doubles and a real port: the same engine, the same rules."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import pytest

from dissonance.contracts.open_inference_messages import SERVICE, message_class
from dissonance.decisions.tensors import bytes_of, tensor_of_bytes
from dissonance.web.grpc_server import SLUG, GrpcServer
from support.protocols import stored
from support.walk import Walk

Metadata = Sequence[tuple[str, str]]


class Client:
    """Calls by name; `grant` "" sends no token."""

    def __init__(self, walk: Walk, channel: grpc.aio.Channel) -> None:
        self._walk = walk
        self.channel = channel

    async def __call__(
        self,
        method: str,
        message: Any = b"",
        *,
        grant: str = "client",
        tasks: tuple[str, ...] = ("*",),
        more: Metadata = (),
    ) -> Any:
        known = method in ("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer")
        reply = message_class(f"{method}Response").FromString if known else None
        call = self.channel.unary_unary(f"/{SERVICE}/{method}", response_deserializer=reply)
        access = [("authorization", self._walk.access.header(grant, tasks)["authorization"])] if grant else []
        body = message if isinstance(message, bytes) else message.SerializeToString()
        return await call(body, metadata=[*access, *more])

    async def refused(self, method: str, message: Any = b"", **options: Any) -> tuple[str, str]:
        """Code and slug."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self(method, message, **options)
        slugs = [value for key, value in caught.value.trailing_metadata() if key == SLUG]
        return caught.value.code().name, slugs[0] if slugs else ""


def told(story: Callable[[Walk, Client], Awaitable[None]], max_message_bytes: int = 1_000_000) -> None:
    async def run() -> None:
        walk, stop = await Walk.open(), asyncio.Event()
        service = walk.at_work["proposer"].grpc
        assert service is not None
        server = GrpcServer(
            [service],
            verifier=walk.access.verifier,
            lockout=walk.app.state.lockout,
            trail=walk.app.state.trail,
            health=walk.app.state.health,
            clock=walk.clock,
            metrics=walk.metrics,
            max_message_bytes=max_message_bytes,
        )
        async with server.serving("127.0.0.1", 0, stop) as port:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await story(walk, Client(walk, channel))
            stop.set()

    asyncio.run(run())


def infer_request(*xs: float, raw: bool = False, **fields: Any) -> Any:
    request = message_class("ModelInferRequest")(model_name="toy", **fields)
    columns: list[tuple[str, str, str, list[Any]]] = [
        ("x", "FP64", "fp64_contents", list(xs)),
        ("colour", "BYTES", "bytes_contents", [b"red"] * len(xs)),
        ("person", "INT64", "int64_contents", [7] * len(xs)),
    ]
    for name, datatype, field, values in columns:
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[len(xs)])
        if raw:
            texts = [value.decode() for value in values] if datatype == "BYTES" else values
            request.raw_input_contents.append(bytes_of(datatype, texts))
        else:
            getattr(tensor.contents, field).extend(values)
    return request


def test_server_and_model_say_what_they_are() -> None:
    async def story(walk: Walk, call: Client) -> None:
        assert (await call("ServerLive", grant="")).live
        assert (await call("ServerReady", grant="")).ready
        assert list((await call("ServerMetadata")).extensions) == ["binary_tensor_data"]
        named = message_class("ModelMetadataRequest")(name="toy")
        metadata = await call("ModelMetadata", named)
        assert [(tensor.name, tensor.datatype) for tensor in metadata.inputs][:2] == [
            ("x", "FP64"),
            ("colour", "BYTES"),
        ]
        assert [list(tensor.shape) for tensor in metadata.outputs] == [[-1], [-1, 2], [-1]]
        assert list(metadata.versions) == ["1"]

    told(story)


def test_a_model_is_ready_or_not_and_who_may_not_ask_is_refused() -> None:
    async def story(walk: Walk, call: Client) -> None:
        asked = message_class("ModelReadyRequest")
        assert (await call("ModelReady", asked(name="toy", version="1"))).ready
        assert not (await call("ModelReady", asked(name="toy", version="2"))).ready
        assert not (await call("ModelReady", asked(name="none"))).ready
        assert await call.refused("ModelReady", asked(name="toy"), tasks=("other",)) == (
            "PERMISSION_DENIED",
            "forbidden",
        )

    told(story)


@pytest.mark.parametrize("raw", [False, True])
def test_rows_are_answered_in_the_form_in_which_they_came_and_recorded(raw: bool) -> None:
    async def story(walk: Walk, call: Client) -> None:
        reply = await call("ModelInfer", infer_request(0.9, 0.2, raw=raw, id="mine", model_version="1"))
        assert (reply.id, reply.model_name, reply.model_version) == ("mine", "toy", "1")
        assert reply.parameters["classes"].string_param == '["no","yes"]'
        assert bool(reply.raw_output_contents) is raw
        read: dict[str, Any] = {}
        for number, tensor in enumerate(reply.outputs):
            if raw:
                content = reply.raw_output_contents[number]
                read[tensor.name] = tensor_of_bytes("", tensor.datatype, tensor.shape, content, "").values
            else:
                texts = [text.decode() for text in tensor.contents.bytes_contents]
                read[tensor.name] = texts or list(tensor.contents.fp64_contents)
        assert read["answer"] == ["yes", "no"]
        assert read["probabilities"] == pytest.approx([0.1, 0.9, 0.8, 0.2])
        assert len(set(read["prediction_id"])) == await stored(walk) == 2
        assert 'dissonance_grpc_requests_total{code="OK",method="ModelInfer"} 1.0' in walk.metrics.text().decode()

    told(story)


def _strange(**changes: Any) -> Any:
    request = infer_request(0.9)
    for name, value in changes.items():
        setattr(request.inputs[1], name, value)
    return request


def test_what_cannot_be_answered_has_its_code_and_its_slug() -> None:
    both = infer_request(0.9, raw=True)
    both.inputs[0].contents.fp64_contents.append(0.9)
    one_raw = infer_request(0.9)
    one_raw.raw_input_contents.append(b"")
    green = infer_request(0.9)
    green.inputs[1].contents.bytes_contents[0] = b"green"
    no_text = infer_request(0.9)
    no_text.inputs[1].contents.bytes_contents[0] = b"\xff"
    with_parameter = infer_request(0.9)
    with_parameter.parameters["priority"].int64_param = 1
    cases = [
        (b"\xff\xff", ("INVALID_ARGUMENT", "malformed-body")),
        (both, ("INVALID_ARGUMENT", "malformed-body")),
        (one_raw, ("INVALID_ARGUMENT", "malformed-body")),
        (green, ("INVALID_ARGUMENT", "unseen-category")),
        (no_text, ("INVALID_ARGUMENT", "wrong-type")),
        (_strange(datatype="FP16"), ("INVALID_ARGUMENT", "wrong-type")),
        (_strange(name="color"), ("INVALID_ARGUMENT", "unknown-field")),
        (with_parameter, ("INVALID_ARGUMENT", "input")),
        (infer_request(*[0.5] * 51), ("INVALID_ARGUMENT", "too-many-rows")),
        (infer_request(0.9, model_version="2"), ("NOT_FOUND", "version-not-served")),
        (message_class("ModelInferRequest")(model_name="none"), ("NOT_FOUND", "unknown-task")),
    ]

    async def story(walk: Walk, call: Client) -> None:
        for message, expected in cases:
            assert await call.refused("ModelInfer", message) == expected
        assert await stored(walk) == 0

    told(story)


def test_who_may_not_is_refused_before_the_message_is_read() -> None:
    async def story(walk: Walk, call: Client) -> None:
        nonsense = b"\xff\xff"
        assert await call.refused("ModelInfer", nonsense, grant="") == ("UNAUTHENTICATED", "unauthenticated")
        wrong = [("authorization", "Bearer nonsense")]
        assert await call.refused("ModelInfer", nonsense, grant="", more=wrong) == (
            "UNAUTHENTICATED",
            "unauthenticated",
        )
        assert await call.refused("ModelInfer", nonsense, grant="viewer") == ("PERMISSION_DENIED", "forbidden")
        others = {"tasks": ("other",)}
        assert await call.refused("ModelInfer", infer_request(0.9), **others) == ("PERMISSION_DENIED", "forbidden")

    told(story)


def test_a_method_that_is_not_served_is_unimplemented() -> None:
    async def story(walk: Walk, call: Client) -> None:
        for method in ("ModelStreamInfer", "RepositoryIndex", "ModelConfig"):
            assert await call.refused(method) == ("UNIMPLEMENTED", "")

    told(story)


def test_a_message_over_the_limit_is_refused() -> None:
    async def story(walk: Walk, call: Client) -> None:
        assert await call.refused("ModelInfer", b"x" * 2_000) == ("RESOURCE_EXHAUSTED", "")

    told(story, max_message_bytes=1_000)


def test_a_repeated_key_gets_the_answer_again() -> None:
    async def story(walk: Walk, call: Client) -> None:
        more = [("idempotency-key", "once")]
        first, again = [await call("ModelInfer", infer_request(0.9), more=more) for _ in range(2)]
        assert first == again
        conflict = await call.refused("ModelInfer", infer_request(0.8), more=more)
        assert conflict == ("FAILED_PRECONDITION", "idempotency-conflict")
        assert await stored(walk) == 1

    told(story)


def test_an_error_that_nobody_foresaw_tells_nothing_of_itself() -> None:
    async def story(walk: Walk, call: Client) -> None:
        walk.loader.pairs.clear()  # a defect: KeyError where a model is loaded
        assert await call.refused("ModelInfer", infer_request(0.9)) == ("INTERNAL", "error")
        assert 'dissonance_unexpected_errors_total{where="grpc"} 1.0' in walk.metrics.text().decode()

    told(story)


def test_every_method_but_liveness_and_readiness_has_a_permission_of_clients() -> None:
    async def run() -> None:
        service = (await Walk.open()).at_work["proposer"].grpc
        assert service is not None
        public = {name for name, method in service.methods.items() if method.permission.value == "public:read"}
        assert public == {"ServerLive", "ServerReady"}

    asyncio.run(run())


def test_a_message_that_opens_to_more_than_may_come_is_refused() -> None:
    """Zeros of a hundred times the limit are packed to a tenth of it (CWE-409)."""

    async def story(walk: Walk, call: Client) -> None:
        bomb = infer_request(0.5, raw=True)
        bomb.raw_input_contents[0] = bytes(100_000_000)
        invoke = call.channel.unary_unary(f"/{SERVICE}/ModelInfer")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await invoke(
                bomb.SerializeToString(),
                metadata=[("authorization", walk.access.header("client", ("*",))["authorization"])],
                compression=grpc.Compression.Gzip,
            )
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await stored(walk) == 0

    told(story)
