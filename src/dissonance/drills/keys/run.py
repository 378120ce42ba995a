"""Rotations under load on a store of many people; then a backup, erasures, and the backup put back beside them, before
and after the versions that its keys rest under are destroyed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dissonance.bootstrap import open_system
from dissonance.drills import census
from dissonance.drills.faults.load import Answer
from dissonance.drills.keys.backups import Restored, copy, look_into
from dissonance.drills.keys.erasure import Erased, erase_people
from dissonance.drills.keys.opening import look_at_all, until_stored
from dissonance.drills.keys.people import Requests, fill
from dissonance.drills.keys.rotation import (
    Ended,
    Rotation,
    Stage,
    answers_of,
    end_versions,
    predictions_of,
    rotate,
)
from dissonance.drills.replicas import GROUPS, under_load
from dissonance.drills.system import RunningSystem
from dissonance.pipeline.aliases import production_version
from dissonance.settings import Settings

TRAINING_ROWS = 5_000
ERASED = 10
"""People; half by command, half by the command's function."""

CUT_SHORT = 1
"""Which rotation, from 0, is cut short and resumed."""

LOAD_AFTER_S = 15.0
"""Seconds of load after the versions before were destroyed, and again by processes that started after that."""

NEWEST = 1_000
"""Predictions that are waited for before every row is looked at; those before them were stored before."""

Say = Callable[[str], None]
Tell = Callable[[int], None]


class Whole(NamedTuple):
    """Every stored row, after the last version before was destroyed. `closed` do not open; `lost`: answered, and not
    stored."""

    rows: int
    closed: int
    lost: int


class Outcome(NamedTuple):
    people: int
    rate: float
    filled_s: float
    answers: list[Answer]
    rotations: list[Rotation]
    ended: Ended
    started_after: list[Answer]
    whole: Whole
    erased: Erased
    restored: Restored


async def keys_drill(folder: Path, people: int, rotations: int, rate: float, say: Say, tell: Tell) -> Outcome:
    """`tell` hears of people as they are stored."""
    folder.mkdir(parents=True, exist_ok=True)
    data, logs, loop = folder / "data", folder / "logs", asyncio.get_running_loop()
    settings = Settings(data=str(data))
    gone, near = _people(people)
    async with RunningSystem(data, logs, GROUPS) as running:
        training = await asyncio.to_thread(census.write_training_file, folder, TRAINING_ROWS)
        await running.command(*census.create_arguments(training))
        begun_s = loop.time()
        async with open_system(settings) as system:
            task = await system.store.by_name(census.TASK)
            digest = (await production_version(system, task)).digest
            await fill(system, task, digest, people, frozenset((*gone, *near)), tell)
        filled_s = loop.time() - begun_s
        say(f"{people:,} people are stored, in {filled_s:.0f} s")
        stage = Stage(running, settings, task, people)
        await running.start_all()
        answers, done, ended = await _rotations(stage, rotations, rate, say)
        started_after = await _by_new_processes(stage, rate)
        whole = await _whole(stage, [*answers, *started_after])
        say(f"{whole.rows:,} rows are stored, {whole.closed} of them do not open")
        await running.stop()
        await asyncio.to_thread(copy, data, folder / "backup")
        say("the data folder is copied")
        await running.start_engines()
        await running.start_all()
        half = len(gone) // 2
        erased = await erase_people(stage, gone[:half], gone[half:])
        say(f"erased: {max(erased.command_s):.2f} s by command at most, {max(erased.call_s):.2f} s without its start")
        for group in GROUPS:
            await running.stop_group(group)
        restored = await look_into(stage, folder / "backup", logs / "restored", gone, near)
    return Outcome(people, rate, filled_s, answers, done, ended, started_after, whole, erased, restored)


def _people(people: int) -> tuple[list[int], list[int]]:
    """Who is erased, evenly spread, and the neighbour of each, who is not."""
    gone = [number * people // ERASED for number in range(ERASED)]
    return gone, [number + 1 for number in gone]


async def _rotations(stage: Stage, rotations: int, rate: float, say: Say) -> tuple[list[Answer], list[Rotation], Ended]:
    requests = await asyncio.to_thread(Requests, stage.people)
    done = []
    async with under_load(stage.running, requests, rate) as loads:
        for number in range(rotations):
            done.append(await rotate(stage, loads, cut_short=number == CUT_SHORT))
            failed = sum(not answer.ok for answer in answers_of(loads))
            say(f"version {done[-1].version}: {done[-1].took_s:.1f} s, {done[-1].rewrapped:,} keys; {failed} failed")
        ended = await end_versions(stage)
        say(f"{ended.destroyed} versions revoked and destroyed")
        await asyncio.sleep(LOAD_AFTER_S)
    return answers_of(loads), done, ended


async def _by_new_processes(stage: Stage, rate: float) -> list[Answer]:
    """They have only the versions that are left."""
    running = stage.running
    await asyncio.gather(*(running.stop_group(group) for group in GROUPS))
    await running.start_all()
    async with under_load(running, await asyncio.to_thread(Requests, stage.people), rate) as loads:
        await asyncio.sleep(LOAD_AFTER_S)
    return answers_of(loads)


async def _whole(stage: Stage, answers: list[Answer]) -> Whole:
    ids = predictions_of(answers)
    async with open_system(stage.settings) as system:
        await until_stored(system.store, stage.task, ids[-NEWEST:])
        seen = await look_at_all(system.store, system.keys, stage.task)
    return Whole(len(seen.ids), len(seen.closed), len(set(ids) - seen.ids))
