"""Faults of what is stored: a full disk under the broker or the logs, and model files whose bytes changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from dissonance.contracts.events import ModelPromoted
from dissonance.drills.faults.scene import Fault, Scene
from dissonance.ports.registry import ModelRole

FULL, CORRUPT = "full-disk", "corrupt-model"
BROKER, LOGS = "broker", "logs"
LOAD_S = 8.0
"""Seconds that replicas get to load, or refuse, a model at the least."""

CHANGED_BYTES = 64


def full_disk(store: str) -> Fault:
    """Nothing can be written to it for a while; then there is room again."""

    async def act(scene: Scene) -> None:
        disk = scene.disks[store]
        await asyncio.to_thread(disk.fill)
        try:
            await asyncio.sleep(scene.hold_s)
        finally:
            await asyncio.to_thread(disk.free)

    async def restart_broker(scene: Scene) -> None:
        await scene.stand.kill("nats")

    return Fault(FULL, store, act, needs=_disk_of(store), hand=restart_broker if store == BROKER else None)


def corrupt_candidate() -> Fault:
    """A candidate's file changes on disk and the registry says that it is in production: the old one must go on."""

    async def act(scene: Scene) -> None:
        version, production = scene.candidate, await _production(scene)
        async with _changed(scene, version):
            await _announce(scene, version, production)
            try:
                await asyncio.sleep(max(scene.hold_s, LOAD_S))
            finally:
                await _announce(scene, production, version)

    return Fault(CORRUPT, "candidate", act)


def corrupt_at_start() -> Fault:
    """The file of the model in production changes on disk and a replica starts: the other one must go on serving."""

    async def act(scene: Scene) -> None:
        async with _changed(scene, await _production(scene)):
            await scene.stand.terminate("proposer-2")
            await scene.stand.start_again("proposer-2")
            await asyncio.sleep(max(scene.hold_s, LOAD_S))

    return Fault(CORRUPT, "proposer-2", act)


def _disk_of(store: str) -> Callable[[Scene], str | None]:
    return lambda scene: None if store in scene.disks else "no file system may be mounted here"


async def _production(scene: Scene) -> int:
    found = await asyncio.to_thread(scene.system.registry.production, scene.task.task_id, ModelRole.PROPOSER)
    return found.version


async def _announce(scene: Scene, version: int, before: int) -> None:
    """As somebody does who changes the registry by hand, past gate and checks."""
    registry, task_id = scene.system.registry, scene.task.task_id
    named = await asyncio.to_thread(registry.version, task_id, ModelRole.PROPOSER, version)
    await asyncio.to_thread(registry.promote, named)
    event = ModelPromoted(
        event_id=scene.system.randomness.token(16).hex(),
        task_id=task_id,
        produced_at_us=scene.system.clock.now_us(),
        producer="drill",
        version=version,
        model_digest=named.digest,
        previous_version=before,
        reason="fault campaign",
        by="drill",
    )
    await scene.system.bus.publish([event])


@asynccontextmanager
async def _changed(scene: Scene, version: int) -> AsyncIterator[None]:
    """Some bytes in the middle of the artefact are others; at the end they are what they were."""
    content = await asyncio.to_thread(scene.system.registry.artefact, scene.task.task_id, ModelRole.PROPOSER, version)
    path = await asyncio.to_thread(file_with, scene.stand.data / "mlflow" / "artifacts", content)
    path.write_bytes(changed(content))
    try:
        yield
    finally:
        path.write_bytes(content)


def changed(content: bytes) -> bytes:
    """
    >>> changed(bytes(4))[2]
    255
    """
    middle = len(content) // 2
    end = min(len(content), middle + CHANGED_BYTES)
    return content[:middle] + bytes(255 - byte for byte in content[middle:end]) + content[end:]


def file_with(folder: Path, content: bytes) -> Path:
    """The one file with this content. Raises `FileNotFoundError`."""
    for path in sorted(folder.rglob("*.bin")):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return path
    raise FileNotFoundError(f"no artefact of {len(content)} bytes under {folder}")
