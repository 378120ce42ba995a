"""People erased out of many, by command and by the command's own function; the signatures of their certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from dissonance.bootstrap import open_system
from dissonance.bootstrap_databases import erasure_notes
from dissonance.bootstrap_pipeline import snapshot_files
from dissonance.contracts.erasure import Certificate
from dissonance.contracts.evidence import canonical
from dissonance.drills.census import TASK
from dissonance.drills.keys.opening import look_at_people
from dissonance.drills.keys.people import name_of
from dissonance.drills.keys.rotation import Stage
from dissonance.pipeline.subjects.erasing import erase
from dissonance.security.evidence import ERASURE_PURPOSE
from dissonance.security.signatures import verifies

BY = "drill"


class Erased(NamedTuple):
    """`command_s`: `dissonance subjects erase`, from the start of its process to its end; `call_s`: the same without
    the start, from connecting to every engine until the certificate is kept and noted. `certified` signatures hold and
    name the right person with a row and a label. `opened`: of `looked_at` rows about all of them, afterwards."""

    command_s: list[float]
    call_s: list[float]
    certified: int
    looked_at: int
    opened: int


async def erase_people(stage: Stage, by_command: Sequence[int], by_call: Sequence[int]) -> Erased:
    loop = asyncio.get_running_loop()
    command_s, call_s, certified = [], [], 0
    for number in by_command:
        begun_s = loop.time()
        told = await stage.running.command("subjects", "erase", name_of(number), "--task", TASK, "--yes")
        command_s.append(loop.time() - begun_s)
        certified += await _is_certified(stage, number, told["certificate"])
    for number in by_call:
        begun_s = loop.time()
        async with open_system(stage.settings) as system:
            notes, snapshots = erasure_notes(stage.settings), snapshot_files(stage.settings)
            signed, certificate = await erase(system, snapshots, notes, TASK, name_of(number), BY)
        call_s.append(loop.time() - begun_s)
        told = {
            "certificate": msgspec.to_builtins(certificate),
            "signature": signed.signature.hex(),
        }
        certified += await _is_certified(stage, number, told)
    async with open_system(stage.settings) as system:
        names = [name_of(number) for number in (*by_command, *by_call)]
        people = system.keys.data_subject_hashes(stage.task.task_id, names)
        seen = await look_at_people(system.store, system.keys, stage.task, people)
    return Erased(command_s, call_s, certified, len(seen.ids), seen.opened)


async def _is_certified(stage: Stage, number: int, told: dict[str, Any]) -> bool:
    """By the public key of the key folder, whatever the certificate says who signed it."""
    certificate = msgspec.convert(told["certificate"], Certificate)
    async with open_system(stage.settings) as system:
        person = system.keys.data_subject_hash(stage.task.task_id, name_of(number)).hex()
        public_key = system.artefact_keys.verification
    signed = verifies(public_key, bytes.fromhex(told["signature"]), ERASURE_PURPOSE, canonical(certificate))
    rows = certificate.rows
    return signed and certificate.data_subject == person and rows.experience >= 1 and rows.labels >= 1
