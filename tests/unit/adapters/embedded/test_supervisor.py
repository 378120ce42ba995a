"""The supervisor with small programs in the place of engines: they live, die, refuse and linger as told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dissonance.adapters.embedded.addresses import EngineName
from dissonance.adapters.embedded.process import Child, ProcessIdentity, Program, find_process, stop_left_over
from dissonance.adapters.embedded.supervisor import Backoff, SupervisedEngine
from dissonance.errors import EngineError, EngineUnavailable, TimedOut

FAST = Backoff(first_s=0.001, most_s=0.002, healthy_s=30.0, give_up_after=3)
LIVES = "import pathlib, time; pathlib.Path('up').touch(); time.sleep(600)"
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + LIVES


class FakeEngine:
    """Answers once its program has touched the file `up`."""

    name = EngineName.NATS

    def __init__(self, folder: Path, script: str, ready_limit_s: float = 30.0) -> None:
        self.folder = folder
        self.script = script
        self.ready_limit_s = ready_limit_s
        self.starts = 0
        self.useless = ""

    def program(self) -> Program:
        self.starts += 1
        (self.folder / "up").unlink(missing_ok=True)
        return Program(
            name=self.name.value,
            argv=(sys.executable, "-I", "-S", "-c", self.script),
            environment={},
            folder=self.folder,
            log=self.folder / "log",
        )

    async def why_start_again(self) -> str:
        return self.useless

    async def check_ready(self) -> None:
        if not (self.folder / "up").exists():
            raise EngineUnavailable("it has not touched its file")


class Scene:
    """One supervised fake, and what was reported."""

    def __init__(self, engine: FakeEngine, backoff: Backoff = FAST) -> None:
        self.engine = engine
        self.lines: list[str] = []
        self.identities: list[ProcessIdentity] = []
        self.supervised = SupervisedEngine(
            engine,
            report=self.lines.append,
            started=lambda name, identity: self.identities.append(identity),
            backoff=backoff,
            attempt_every_s=0.005,
            look_every_s=0.01,
        )


def play(scene: Scene, acts: Callable[[Scene], Awaitable[None]]) -> None:
    async def scenario() -> None:
        try:
            await acts(scene)
        finally:
            await scene.supervised.stop()

    asyncio.run(scenario())


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not happened():
            await asyncio.sleep(0.005)


def test_engine_that_answers_is_started_and_stopped(tmp_path: Path) -> None:
    scene = Scene(FakeEngine(tmp_path, LIVES))

    async def acts(scene: Scene) -> None:
        await scene.supervised.start()
        assert find_process(scene.identities[0]) is not None
        await scene.supervised.stop()
        assert find_process(scene.identities[0]) is None

    play(scene, acts)


def test_engine_that_ends_before_it_is_ready_shows_the_tail_of_its_log(tmp_path: Path) -> None:
    scene = Scene(FakeEngine(tmp_path, "import sys; sys.exit('No space left on device')"))

    async def acts(scene: Scene) -> None:
        with pytest.raises(EngineError, match=r"exit code 1(.|\n)*No space left on device"):
            await scene.supervised.start()

    play(scene, acts)


def test_engine_that_never_answers_is_stopped_at_its_limit(tmp_path: Path) -> None:
    scene = Scene(FakeEngine(tmp_path, "print('thinking', flush=True); import time; time.sleep(600)", 0.3))

    async def acts(scene: Scene) -> None:
        with pytest.raises(TimedOut, match="it has not touched its file"):
            await scene.supervised.start()
        assert find_process(scene.identities[0]) is None

    play(scene, acts)


def test_start_that_is_cancelled_leaves_no_child(tmp_path: Path) -> None:
    scene = Scene(FakeEngine(tmp_path, "import time; time.sleep(600)"))

    async def acts(scene: Scene) -> None:
        starting = asyncio.create_task(scene.supervised.start())
        await until(lambda: bool(scene.identities))
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert find_process(scene.identities[0]) is None

    play(scene, acts)


def test_engine_that_is_killed_comes_back(tmp_path: Path) -> None:
    scene = Scene(FakeEngine(tmp_path, LIVES))

    async def acts(scene: Scene) -> None:
        await scene.supervised.start()
        keeper = asyncio.create_task(scene.supervised.keep_running())
        os.kill(scene.identities[0].pid, signal.SIGKILL)
        await until(lambda: "nats is back" in scene.lines)
        assert find_process(scene.identities[1]) is not None
        assert scene.lines == ["nats was ended by signal 9; it is started again", "nats is back"]
        keeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeper

    play(scene, acts)


def test_engine_that_lives_to_no_purpose_is_stopped_and_comes_back(tmp_path: Path) -> None:
    scene = Scene(FakeEngine(tmp_path, LIVES))

    async def acts(scene: Scene) -> None:
        await scene.supervised.start()
        keeper = asyncio.create_task(scene.supervised.keep_running())
        scene.engine.useless = "stores nothing"
        await until(lambda: "nats stores nothing; it is stopped" in scene.lines)
        scene.engine.useless = ""
        await until(lambda: scene.lines[-1] == "nats is back")
        assert find_process(scene.identities[0]) is None
        assert find_process(scene.identities[-1]) is not None
        keeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeper

    play(scene, acts)


def test_engine_that_does_not_come_back_is_given_up(tmp_path: Path) -> None:
    engine = FakeEngine(tmp_path, LIVES)
    scene = Scene(engine)

    async def acts(scene: Scene) -> None:
        await scene.supervised.start()
        engine.script = "import sys; sys.exit('the disk is full')"
        os.kill(scene.identities[0].pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="the disk is full"):
            await scene.supervised.keep_running()
        assert engine.starts == 1 + FAST.give_up_after

    play(scene, acts)


def test_failures_are_forgotten_once_it_lived_long_enough(tmp_path: Path) -> None:
    """With `healthy_s` of nothing every death is the first, so it outlives more deaths than it may fail in a row."""
    scene = Scene(FakeEngine(tmp_path, LIVES), Backoff(first_s=0.001, most_s=0.002, healthy_s=0.0, give_up_after=2))

    async def acts(scene: Scene) -> None:
        await scene.supervised.start()
        keeper = asyncio.create_task(scene.supervised.keep_running())
        for deaths in range(1, 5):
            os.kill(scene.identities[-1].pid, signal.SIGKILL)
            await until(lambda: scene.lines.count("nats is back") == deaths)  # noqa: B023 - awaited in the loop
        keeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeper

    play(scene, acts)


def test_what_a_dead_leader_left_in_its_group_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, time\n"
        "pid = os.fork()\n"
        "if pid: pathlib.Path('child').write_text(str(pid)); pathlib.Path('up').touch()\n"
        "time.sleep(600)"
    )
    scene = Scene(FakeEngine(tmp_path, script))

    async def acts(scene: Scene) -> None:
        await scene.supervised.start()
        grandchild = int((tmp_path / "child").read_text())
        await scene.supervised.stop()
        await until(lambda: not is_alive(grandchild))

    play(scene, acts)


def test_child_that_ignores_the_signal_is_killed_at_the_limit(tmp_path: Path) -> None:
    async def scenario() -> None:
        child = await Child.start(FakeEngine(tmp_path, IGNORES_SIGTERM).program())
        await until(lambda: (tmp_path / "up").exists())
        await child.stop(limit_s=0.1)
        assert await child.exited() == -signal.SIGKILL

    asyncio.run(scenario())


def test_program_that_is_not_there_says_so(tmp_path: Path) -> None:
    program = Program("nats", ("/nonexistent/nats-server",), {}, tmp_path, tmp_path / "log")

    async def scenario() -> None:
        child = await Child.start(program)
        assert await child.exited() == 1

    asyncio.run(scenario())
    assert "/nonexistent/nats-server cannot be started: No such file" in (tmp_path / "log").read_text()


def test_left_over_of_an_earlier_start_is_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        child = await Child.start(FakeEngine(tmp_path, LIVES).program())
        await until(lambda: (tmp_path / "up").exists())
        assert await asyncio.to_thread(stop_left_over, child.identity, signal.SIGTERM)
        assert await child.exited() == -signal.SIGTERM

    asyncio.run(scenario())


def test_process_that_only_has_the_same_number_is_left_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        child = await Child.start(FakeEngine(tmp_path, LIVES).program())
        await until(lambda: (tmp_path / "up").exists())
        mine = child.identity
        other_time = ProcessIdentity(mine.pid, mine.started - 60.0, mine.argv)
        other_program = ProcessIdentity(mine.pid, mine.started, ("/usr/bin/editor",))
        assert not stop_left_over(other_time, signal.SIGTERM)
        assert not stop_left_over(other_program, signal.SIGTERM)
        assert child.is_running
        await child.stop()

    asyncio.run(scenario())


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
