"""The whole drill: a folder in, an outcome out, and nothing left running or mounted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.nats.state import open_states
from dissonance.bootstrap import open_system
from dissonance.drills import census
from dissonance.drills.faults.account import Account, account, drained
from dissonance.drills.faults.campaign import Campaign, Course, Say, Tell
from dissonance.drills.faults.disks import Filling, LimitedFiles, mount_disk
from dissonance.drills.faults.load import Answer, OpenLoad
from dissonance.drills.faults.scene import Fault, Scene
from dissonance.drills.faults.stand import Stand
from dissonance.drills.faults.storage import BROKER, LOGS
from dissonance.drills.faults.traffic import Requests
from dissonance.drills.faults.watch import LagWatch
from dissonance.drills.records import Raw
from dissonance.drills.soak.traffic import write_training_file
from dissonance.ports.registry import ModelRole
from dissonance.settings import Settings

BROKER_BYTES, LOG_BYTES = 4 * 2**30, 2**28
"""Sizes of the small disks. A file system in a file takes only what is written; in memory too."""

TRAINING_ROWS = 6_000
"""Enough for a model and a candidate; how right they are is not looked at here."""

FAKETIME = tuple(
    Path(folder) / "faketime" / "libfaketimeMT.so.1"
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
)
"""Where Debian and others put it."""


class Options(NamedTuple):
    """`rate`: requests a second. `hold_s`: seconds that a fault that lasts is held. `least_requests`: the plan is gone
    through until so many were sent. `faketime`: the library, instead of where it usually is."""

    rate: float
    hold_s: float
    least_requests: int
    faketime: Path | None = None


class Outcome(NamedTuple):
    """`disks`: what was filled, by name. `figures`: what single faults counted. `dead_lettered`: rows."""

    course: Course
    answers: list[Answer | None]
    account: Account
    dead_lettered: int
    chain_links: int
    disks: dict[str, str]
    figures: dict[str, Raw]


async def faults(folder: Path, plan: Sequence[Fault], options: Options, say: Say, tell: Tell) -> Outcome:
    """Raises `DissonanceError` when the system does not carry the load even without faults, or a part is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    requests = await asyncio.to_thread(Requests, SystemClock().now_us())
    training = await asyncio.to_thread(write_training_file, folder, requests.start_us, TRAINING_ROWS)
    with ExitStack() as stack:
        stand = Stand(folder, say)
        disks = await asyncio.to_thread(_disks, folder, stand)
        for disk in disks.values():
            stack.callback(disk.close)
        async with stand:
            say("engines are up; making a task, a model and a candidate")
            await stand.furnish(training)
            url = await stand.open()
            async with _scene(stand, url, disks, options) as scene:
                return await _through(scene, requests, plan, options, say, tell)


@asynccontextmanager
async def _scene(stand: Stand, url: str, disks: dict[str, Filling], options: Options) -> AsyncIterator[Scene]:
    token = await stand.system.token("client", task=census.TASK)
    async with open_system(Settings(data=str(stand.data))) as system:
        task = await system.store.by_name(census.TASK)
        versions = await asyncio.to_thread(system.registry.versions, task.task_id, ModelRole.PROPOSER)
        yield Scene(
            stand=stand,
            system=system,
            task=task,
            url=url,
            token=token,
            hold_s=options.hold_s,
            candidate=versions[0].version,
            disks=disks,
            faketime=options.faketime or next((path for path in FAKETIME if path.is_file()), None),
        )


async def _through(
    scene: Scene, requests: Requests, plan: Sequence[Fault], options: Options, say: Say, tell: Tell
) -> Outcome:
    system, task_id, stop = scene.system, scene.task.task_id, asyncio.Event()
    url = f"{scene.url}/v1/tasks/{census.TASK}/predict"
    async with (
        OpenLoad(url, scene.token, requests, options.rate, system.randomness, tls=scene.stand.system.trust()) as load,
        open_states(system.addresses.nats_url, system.tls.client) as broker,
        asyncio.TaskGroup() as tasks,
    ):
        loop = asyncio.get_running_loop()
        watch = LagWatch(broker, lambda: loop.time() - load.begun_s)
        watching = tasks.create_task(watch.run())
        sending = tasks.create_task(load.run(stop))
        await asyncio.sleep(0)  # the load says when it began
        say(f"{options.rate:g} requests a second through the load balancer; warming up")
        course = await Campaign(scene, load, watch, say, tell).run(plan, options.least_requests)
        stop.set()
        await sending
        watching.cancel()
    acknowledged = sum(answer is not None and answer.ok for answer in load.answers)
    say(f"{acknowledged:,} of {len(load.answers):,} requests were answered; waiting until all are stored")
    await drained(system.store, task_id, acknowledged)
    return Outcome(
        course=course,
        answers=load.answers,
        account=await account(system.store, task_id, requests, load.answers),
        dead_lettered=sum(letter.rows for letter in await system.bus.dead_letters()),
        chain_links=await system.store.verify_chain(task_id),
        disks={name: disk.kind for name, disk in scene.disks.items()},
        figures=scene.figures,
    )


def _disks(folder: Path, stand: Stand) -> dict[str, Filling]:
    """A disk of its own for the broker's store and for all logs where one may be mounted."""
    broker = mount_disk(folder / "data" / "nats", BROKER_BYTES, folder / "images")
    logs = mount_disk(folder / "data" / "logs", LOG_BYTES, folder / "images")
    disks: dict[str, Filling] = {BROKER: broker or LimitedFiles(lambda: stand.processes("nats"))}
    return disks if logs is None else {**disks, LOGS: logs}
