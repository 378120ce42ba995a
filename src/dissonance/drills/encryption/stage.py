"""The system that canaries are sent through: sealed as it ships, or the control, whose Python hides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dissonance.adapters.clock import SystemRandomness
from dissonance.drills.client import connector_to
from dissonance.drills.encryption import without
from dissonance.drills.encryption.canaries import Canaries
from dissonance.drills.encryption.given import PERSON, TARGET, TASK, Given
from dissonance.drills.encryption.plain_engines import plain_engines
from dissonance.drills.system import TWO_PROCESSES, RunningSystem
from dissonance.errors import EngineError

JSON = "application/json"
PROPOSER, BACKSTAGE = TWO_PROCESSES
OK = frozenset(range(200, 300))
REFUSED = frozenset(range(400, 500))

PACKAGES = Path(__file__).parents[3]
"""Where this package lies: a child finds it there also when it is found here by `PYTHONPATH` alone."""


class Places:
    """Folders of one run, under a folder of its own. `searched`: where nothing readable may be; `given` and `taken`,
    what was handed in and what commands wrote for who asked, are their owner's. `plain`: of the control's engines."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data, self.logs, self.temporary = root / "data", root / "logs", root / "tmp"
        self.plain = root / "plain"
        self.given, self.taken = root / "given", root / "taken"
        self.packets = root / "packets"
        for folder in (self.temporary, self.taken, self.plain):
            folder.mkdir(parents=True)
        # nosemgrep: opened-to-everybody - as /tmp is: PostgreSQL runs as another account
        self.temporary.chmod(0o1777)  # PostgreSQL runs as another account

    @property
    def searched(self) -> tuple[Path, ...]:
        return (self.data, self.logs, self.temporary, self.plain)


class Stage:
    """Asks, and runs commands, with an administrator's rights."""

    def __init__(
        self, running: RunningSystem, http: aiohttp.ClientSession, canaries: Canaries, places: Places, broker_pid: int
    ) -> None:
        """`broker_pid`: of the control's own broker; 0 where the system has started it."""
        self.running = running
        self.http = http
        self.canaries = canaries
        self.given = Given(places.given, canaries)
        self.places = places
        self._broker_pid = broker_pid
        self.token = ""
        self.task_id = ""

    @property
    def is_control(self) -> bool:
        return self._broker_pid != 0

    @property
    def broker_pid(self) -> int:
        return self._broker_pid or self.running.engine_pids()["nats"]

    @property
    def addresses(self) -> dict[str, Any]:
        """Of the engines, as `dissonance up` told them."""
        return dict(self.running.engines_ready["addresses"])

    async def ask(
        self,
        path: str,
        body: bytes | object = b"",
        *,
        method: str = "POST",
        role: str = "proposer",
        headers: Mapping[str, str] | None = None,
        expected: Collection[int] = OK,
    ) -> bytes:
        """The body of the answer. What is not bytes is sent as JSON.

        Raises `EngineError` for another status than is expected: a canary that did not get there proves nothing.
        """
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        given = {"authorization": f"Bearer {self.token}", "content-type": JSON, **(headers or {})}
        url = self.running.url(role) + path
        async with self.http.request(method, url, data=content, headers=given) as reply:
            answer = await reply.read()
        if reply.status not in expected:
            raise EngineError(
                f"status {reply.status}: {answer[:300].decode(errors='replace')}", where=path, fix="see the role's log"
            )
        return answer

    async def command(self, *arguments: str, codes: Collection[int] = (0,)) -> Any:
        """As `RunningSystem.command`. What it printed, which is kept among what was taken out."""
        answer = await self.running.command(*arguments, codes=codes)
        with (self.places.taken / "answers.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(answer) + b"\n")
        return answer


@asynccontextmanager
async def staged(places: Places, canaries: Canaries, *, is_control: bool) -> AsyncIterator[Stage]:
    """Engines and roles at work on a task that was made of a file with canaries."""
    async with AsyncExitStack() as stack:
        variables, settings, broker_pid = {"TMPDIR": str(places.temporary)}, {"grpc_port": "0"}, 0
        if is_control:
            password = SystemRandomness().token(16).hex()
            found = await stack.enter_async_context(plain_engines(places.plain, places.temporary, password))
            settings |= found.settings
            broker_pid = found.broker_pid
            variables["PYTHONPATH"] = f"{Path(without.__file__).parent}:{PACKAGES}"
        running = await stack.enter_async_context(
            RunningSystem(places.data, places.logs, settings=settings, variables=variables)
        )
        trust = None if is_control else running.trust()
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector_to(trust)))
        stage = Stage(running, http, canaries, places, broker_pid)
        await _make_task(stage)
        await running.start_all()
        stage.token = await running.token("admin")
        yield stage


async def _make_task(stage: Stage) -> None:
    given = stage.given
    arguments = ("--data", str(given.training()), "--target", TARGET, "--subject", PERSON)
    await stage.command("task", "create", TASK, *arguments, "--policy", str(given.policy()))
    shown = await stage.command("task", "show", TASK)
    stage.task_id = str(shown["task"]["task_id"])
