"""Rotations by command while two replicas answer; then every version before is revoked and destroyed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dissonance.adapters.postgres.key_versions import CHUNK_KEYS
from dissonance.bootstrap import System, open_system
from dissonance.contracts.ids import id_from_text
from dissonance.contracts.schema import Task
from dissonance.drills.faults.load import Answer, OpenLoad
from dissonance.drills.keys.opening import Opened, look_at, look_at_people, until_stored
from dissonance.drills.keys.people import name_of
from dissonance.drills.system import RunningSystem
from dissonance.errors import KeyInUse
from dissonance.settings import Settings

COMMAND_S = 3_600.0
BEFORE_S, AFTER_S = 3.0, 3.0
"""Seconds of load alone, before and after each rotation."""

SAMPLE = 1_000
"""Rows that are opened after each rotation: so many that were written before it, so many after it, and so many people
of the store. At the end all are."""

CUT_SHORT_LOOK_S = 0.05


class Rotation(NamedTuple):
    """`took_s`: the command, the start of its process included. `resumed`: it was cut short, with `left` keys still
    under other versions, and `--resume` finished it. `opened` of `looked_at` rows afterwards."""

    version: int
    took_s: float
    rewrapped: int
    resumed: bool
    left: int
    looked_at: int
    opened: int


class Ended(NamedTuple):
    """`refused`: of the versions under which keys rest. `destroyed`: versions that were revoked, then destroyed."""

    refused: int
    destroyed: int
    left_under_them: int


class Stage(NamedTuple):
    running: RunningSystem
    settings: Settings
    task: Task
    people: int


async def rotate(stage: Stage, loads: Mapping[str, OpenLoad], *, cut_short: bool) -> Rotation:
    await asyncio.sleep(BEFORE_S)
    before = predictions_of(answers_of(loads))
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    left = await _cut_short(stage) if cut_short else 0
    more = ("--resume",) if cut_short else ()
    answer = await stage.running.command("keys", "rotate", *more, limit_s=COMMAND_S)
    took_s = loop.time() - begun_s
    turned = len(predictions_of(answers_of(loads)))
    await asyncio.sleep(AFTER_S)
    after = predictions_of(answers_of(loads))[turned:]
    seen = await _sample(stage, before, after)
    active = next(each["version"] for each in answer["keys"] if each["state"] == "active")
    return Rotation(active, took_s, answer["rewrapped"], cut_short, left, len(seen.ids), seen.opened)


async def end_versions(stage: Stage) -> Ended:
    """Every version but the active one, which may not be ended."""
    listed = await stage.running.command("keys", "list")
    active = next(each["version"] for each in listed["keys"] if each["state"] == "active")
    refused = sum([await _refused(stage, how, active) for how in ("revoke", "destroy")])
    others = [each["version"] for each in listed["keys"] if each["state"] == "retired"]
    for version in others:
        await stage.running.command("keys", "revoke", str(version))
    for version in others:
        await stage.running.command("keys", "destroy", str(version), "--yes")
    now = (await stage.running.command("keys", "list"))["keys"]
    ended = [each for each in now if each["state"] == "destroyed"]
    return Ended(refused, len(ended), sum(each["data_keys"] + each["spare_keys"] for each in ended))


def answers_of(loads: Mapping[str, OpenLoad]) -> list[Answer]:
    return [answer for load in loads.values() for answer in load.answers if answer is not None]


def predictions_of(answers: Iterable[Answer]) -> list[bytes]:
    """Of what was answered, in the order of the ids, which is that of time."""
    return sorted(id_from_text(answer.prediction_id) for answer in answers if answer.ok)


async def _sample(stage: Stage, before: list[bytes], after: list[bytes]) -> Opened:
    """By a system that was opened for it, and so remembers no key."""
    people = [name_of((len(before) + number) % stage.people) for number in _spread(stage.people)]
    ids = [part[position] for part in (before, after) for position in _spread(len(part))]
    async with open_system(stage.settings) as system:
        rows = await until_stored(system.store, stage.task, ids)
        seen = await look_at(system.keys, stage.task, rows)
        hashes = system.keys.data_subject_hashes(stage.task.task_id, people)
        of_people = await look_at_people(system.store, system.keys, stage.task, sorted(set(hashes)))
    return Opened(seen.ids | of_people.ids, seen.closed | of_people.closed)


def _spread(count: int) -> list[int]:
    """At most `SAMPLE` positions of so many, far apart."""
    return sorted({number * count // SAMPLE for number in range(SAMPLE)}) if count else []


async def _cut_short(stage: Stage) -> int:
    """The command is stopped once it has wrapped some keys anew; how many were left then."""
    async with open_system(stage.settings) as system:
        active = max(each.version for each in await system.keys.versions.all())
        command = asyncio.create_task(stage.running.command("keys", "rotate", limit_s=COMMAND_S))
        while not command.done() and not await _begun(system, active):
            await asyncio.sleep(CUT_SHORT_LOOK_S)
        command.cancel()
        await asyncio.gather(command, return_exceptions=True)
        versions = await system.keys.versions.all()
        return sum(each.data_keys + each.spare_keys for each in versions[:-1])


async def _begun(system: System, before: int) -> bool:
    """More than the load alone makes, hence some that were wrapped anew."""
    newest = (await system.keys.versions.all())[-1]
    return newest.version > before and newest.data_keys >= CHUNK_KEYS


async def _refused(stage: Stage, how: str, version: int) -> bool:
    try:
        await stage.running.command("keys", how, str(version), *(("--yes",) if how == "destroy" else ()))
    except KeyInUse:
        return True
    return False
