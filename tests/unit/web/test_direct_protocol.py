"""The server's side of direct requests: order, ends of connections, heads that come again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from uvicorn.server import ServerState

from dissonance.security.revocations import CredentialList, Revocation, Revoked
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import MetricName
from dissonance.web.connections import sweep
from support.access import LocalAccess
from support.wire import Wire, head, whole
from unit.web.test_direct import JSON, PATH, app_of
from unit.web.test_server import served

LONG = {"content-type": "application/json; charset=utf-8"}


class Scene:
    """Answers leave one by one, when `answer` is called."""

    def __init__(self) -> None:
        self.access = LocalAccess()
        self.token = self.access.header()
        self.metrics = Metrics()
        self.calls: list[Callable[[], None]] = []
        self.state = ServerState()
        self.app = app_of(self.access, metrics=self.metrics, calls=self.calls)
        self.wire = self.connect()

    def connect(self) -> Wire:
        return Wire(self.app, self.state)

    def request(self, body: bytes = b"12", **more: str) -> bytes:
        return whole(PATH, {**self.token, **JSON, **more}, body)

    def answer(self) -> None:
        self.calls.pop(0)()

    def counted(self, status: int) -> float:
        labels = {"method": "POST", "route": "/v1/tasks/{task}/predict", "status": str(status)}
        return self.metrics.registry.get_sample_value(MetricName.HTTP_REQUESTS, labels) or 0.0

    async def answered(self, wire: Wire | None = None) -> bytes:
        """The body of the next answer, which leaves now."""
        self.answer()
        return (await (wire or self.wire).reply()).body


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        await story(Scene())

    asyncio.run(run())


def test_requests_that_came_together_are_taken_one_after_the_other_and_answered_in_their_order() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request(b"1") + scene.request(b"22") + scene.request(b"3"))
        bodies = []
        for _ in range(3):
            assert len(scene.calls) == 1
            bodies.append(await scene.answered())
        assert bodies == [b'"tester directly 1"', b'"tester directly 22"', b'"tester directly 3"']
        assert (scene.wire.reading, scene.counted(200)) == (True, 3.0)

    play(story)


def test_a_body_in_pieces_is_put_together_however_large_a_piece_is() -> None:
    async def story(scene: Scene) -> None:
        request = scene.request(b"x" * 90)
        scene.wire.send(*(request[start : start + 7] for start in range(0, len(request), 7)))
        assert await scene.answered() == b'"tester directly ' + b"x" * 90 + b'"'
        assert scene.wire.protocol.due_s is None

    play(story)


def test_what_is_owed_of_a_body_is_owed_in_time() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request()[:-1])
        assert scene.wire.protocol.due_s is not None

    play(story)


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_a_connection_that_shall_be_closed_is_told_so_and_closed_also_when_others_sent_that_head(
    version: bytes,
) -> None:
    async def story(scene: Scene) -> None:
        more = {"connection": "close"} if version == b"HTTP/1.1" else {}
        for wire in (scene.wire, scene.connect()):
            wire.send(scene.request())
            await scene.answered(wire)
            wire.send(scene.request(**more).replace(b"HTTP/1.1", version))
            scene.answer()
            assert (await wire.reply()).headers["connection"] == "close"
            assert wire.is_closing()

    play(story)


def test_a_head_that_came_before_is_not_read_again_and_its_request_is_answered_as_any_other() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request(b"12"))
        scene.answer()
        first = await scene.wire.reply()
        scene.wire.protocol.parser = None  # type: ignore[assignment]  # whoever reads a head now fails
        scene.wire.send(scene.request(b"34"))
        scene.answer()
        again = await scene.wire.reply()
        assert (again.status, again.body) == (200, b'"tester directly 34"')
        assert again.headers.keys() == first.headers.keys()
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
        assert scene.counted(200) == 2.0

    play(story)


def test_a_connection_may_be_closed_once_it_was_idle_for_long_behind_an_answer_until_it_asks_again() -> None:
    async def story(scene: Scene) -> None:
        protocol = scene.wire.protocol
        idle = [protocol.idle_until_s is not None]
        for _ in range(2):
            scene.wire.send(scene.request())
            idle.append(protocol.idle_until_s is not None)
            await scene.answered()
            idle.append(protocol.idle_until_s is not None)
        assert idle == [False, False, True, False, True]

        sweeping = asyncio.create_task(sweep(scene.state.connections, every_s=0.0))
        await asyncio.sleep(0.0)
        assert not scene.wire.is_closing()
        protocol.idle_until_s = protocol.loop.time() - 1.0
        while not scene.wire.is_closing():
            await asyncio.sleep(0.0)
        sweeping.cancel()

    play(story)


def test_behind_a_head_that_is_known_the_next_request_waits_for_its_turn() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request(b"12"))
        await scene.answered()
        scene.wire.send(scene.request(b"34"), scene.request(b"56"), scene.request(b"7"))
        assert (len(scene.calls), scene.wire.reading) == (1, False)
        assert [await scene.answered() for _ in range(3)] == [
            b'"tester directly 34"',
            b'"tester directly 56"',
            b'"tester directly 7"',
        ]

    play(story)


def test_a_body_of_another_length_than_its_head_says_is_not_taken_for_whole() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request(b"12"))
        await scene.answered()
        request = scene.request(b"34")
        scene.wire.send(request[:-1])
        assert not scene.calls
        scene.wire.send(request[-1:] + request)
        assert await scene.answered() == await scene.answered() == b'"tester directly 34"'

    play(story)


def test_a_token_that_expired_since_is_refused_under_a_known_head() -> None:
    async def story(scene: Scene) -> None:
        request = scene.request()
        scene.wire.send(request)
        await scene.answered()
        scene.access.clock.advance(10 * 366 * 86_400)
        scene.wire.send(request)
        reply = await scene.wire.reply()
        assert (reply.status, scene.calls) == (401, [])
        assert 'error="invalid_token"' in reply.headers["www-authenticate"]

    play(story)


@pytest.mark.parametrize(("grant", "tasks"), [("client", ("other",)), ("labeller", ("*",))])
def test_a_head_that_was_refused_is_refused_each_time(grant: str, tasks: tuple[str, ...]) -> None:
    async def story(scene: Scene) -> None:
        refused = whole(PATH, {**scene.access.header(grant, tasks), **JSON}, b"12")
        scene.wire.send(scene.request())
        await scene.answered()
        for _ in range(3):
            scene.wire.send(refused)
            assert (await scene.wire.reply()).status == 403
        assert (scene.calls, scene.counted(403)) == ([], 3.0)

    play(story)


def test_a_request_with_an_id_of_its_own_keeps_it() -> None:
    async def story(scene: Scene) -> None:
        for given in ("one", "one", "two"):
            scene.wire.send(scene.request(**{"x-request-id": given}))
            scene.answer()
            assert (await scene.wire.reply()).headers["x-request-id"] == given

    play(story)


def test_direct_requests_and_those_of_the_long_way_take_turns_on_one_connection() -> None:
    async def story(scene: Scene) -> None:
        long = whole(PATH, {**scene.token, **LONG}, b"12")
        for _ in range(2):
            scene.wire.send(scene.request() + long + scene.request())
            assert await scene.answered() == b'"tester directly 12"'
            assert (await scene.wire.reply()).body == b"the long way, False"
            while not scene.calls:
                await asyncio.sleep(0)
            assert await scene.answered() == b'"tester directly 12"'

    play(story)


def test_a_caller_that_leaves_in_the_middle_of_its_body_is_counted_as_gone_and_nothing_is_done() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request()[:-1])
        scene.wire.leave()
        assert (scene.counted(499), scene.calls, scene.wire.written) == (1.0, [], b"")

    play(story)


def test_a_caller_that_leaves_before_its_answer_takes_nothing_from_others_and_is_written_nothing() -> None:
    async def story(scene: Scene) -> None:
        staying = scene.connect()
        for wire in (scene.wire, staying):
            wire.send(scene.request())
        scene.wire.leave()
        scene.answer()
        assert await scene.answered(staying) == b'"tester directly 12"'
        assert (scene.wire.written, scene.counted(200)) == (b"", 2.0)

    play(story)


def test_an_answer_waits_until_the_client_reads_what_it_has_got() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request(b"1") + scene.request(b"2"))
        scene.wire.protocol.pause_writing()
        scene.answer()
        assert (scene.wire.written, scene.calls) == (b"", [])
        scene.wire.protocol.resume_writing()
        assert (await scene.wire.reply()).body == b'"tester directly 1"'
        assert await scene.answered() == b'"tester directly 2"'

    play(story)


def test_a_client_that_never_reads_leaves_no_answer_behind() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request())
        scene.wire.protocol.pause_writing()
        scene.answer()
        scene.wire.leave()
        scene.wire.protocol.resume_writing()
        assert (scene.wire.written, scene.counted(200)) == (b"", 1.0)

    play(story)


def test_above_the_limit_of_connections_a_known_head_is_no_way_in() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request())
        await scene.answered()
        scene.wire.protocol.limit_concurrency = 1
        scene.wire.send(scene.request())
        while b"Service Unavailable" not in scene.wire.written:
            await asyncio.sleep(0)
        assert (scene.wire.written.startswith(b"HTTP/1.1 503"), scene.calls) == (True, [])

    play(story)


def test_nothing_is_taken_of_a_connection_that_is_being_closed() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request(connection="close") + scene.request())
        assert await scene.answered() == b'"tester directly 12"'
        assert scene.calls == []

    play(story)


@pytest.mark.parametrize("again", [False, True])
def test_a_direct_request_in_hand_is_answered_after_stop_was_asked_for(again: bool) -> None:
    async def live() -> None:
        calls: list[Callable[[], None]] = []
        access, stop = LocalAccess(), asyncio.Event()
        request = whole(PATH, {**access.header(), **JSON}, b"12")
        async with served(app_of(access, calls=calls), stop) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for last in [False, True] if again else [True]:
                writer.write(request)
                while not calls:
                    await asyncio.sleep(0.001)
                if last:
                    stop.set()
                    await asyncio.sleep(0.3)
                calls.pop()()
                answer = await reader.readuntil(b'12"')
            assert b"connection: close" in answer
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    asyncio.run(live())


def test_garbage_behind_a_request_ends_the_connection() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.send(scene.request() + b"\0\0\0\0")
        scene.answer()
        assert (await scene.wire.reply()).status == 400
        assert scene.wire.is_closing()

    play(story)


def test_a_head_that_ends_in_another_way_than_heads_do_is_not_remembered() -> None:
    async def story(scene: Scene) -> None:
        odd = head(PATH, {**scene.token, **JSON, "content-length": "8"}).replace(b"\r\n", b"\n")
        scene.wire.send(odd + b"12\r\n\r\n34")
        assert not scene.app.direct._known  # type: ignore[union-attr]

    play(story)


def test_the_audit_trail_knows_the_address_also_of_a_request_whose_head_was_not_read_again() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(3):
            scene.wire.send(scene.request())
            await scene.answered()
        (told,) = scene.app.state.trail.take(everything=True)
        assert (told.who, told.source, told.count) == ("tester", "127.0.0.1", 3)

    play(story)


def test_a_head_that_is_known_opens_nothing_once_its_token_is_revoked() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(2):
            scene.wire.send(scene.request())
            assert await scene.answered() == b'"tester directly 12"'
        token_id = scene.access.verifier.verify(scene.token["authorization"].removeprefix("Bearer ")).token_id
        lost = Revocation(what=Revoked.TOKEN, value=token_id, revoked_at_us=0, by="ada", reason="")
        scene.access.tokens.use(CredentialList([lost]))
        scene.wire.send(scene.request())
        assert ((await scene.wire.reply()).status, scene.calls) == (401, [])

    play(story)


def test_a_head_is_known_again_after_a_revocation_that_is_not_about_it() -> None:
    async def story(scene: Scene) -> None:
        for value in ("another", "and another"):
            scene.wire.send(scene.request())
            assert await scene.answered() == b'"tester directly 12"'
            other = Revocation(what=Revoked.TOKEN, value=value, revoked_at_us=0, by="ada", reason="")
            scene.access.tokens.use(CredentialList([other]))
        scene.wire.send(scene.request())
        assert await scene.answered() == b'"tester directly 12"'

    play(story)
