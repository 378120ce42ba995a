"""The record of the drill: what clients noticed of rotations, what opens afterwards, and what an erasure leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dissonance.adapters.clock import SystemClock
from dissonance.drills.faults.load import Answer
from dissonance.drills.keys.backups import InBackup, OwnKeys
from dissonance.drills.keys.run import ERASED, Outcome
from dissonance.drills.records import AtLeast, AtMost, Equals, Limit, Raw, Record, make_record

LEAST_PEOPLE = 1_000_000
LEAST_ROTATIONS = 3
LEAST_REQUESTS = 2_000
MOST_ERASE_S = 5.0

WITH_ITS_KEYS = ("backup", "restored", "backup_after_destroy")
CONTROL = "copy_with_its_own_keys"
"""It has to open: what does not open by the same means after the destroy does not open because of that."""

LEFT_BEHIND = "copy_after_destroy"


def record_of(outcome: Outcome, rotations: int) -> Record:
    return make_record(
        name="keys",
        what=f"{len(outcome.rotations)} rotations of the key-encryption key over {outcome.people:,} data keys at "
        f"{outcome.rate:g} requests a second on two replicas, the versions before destroyed; then people erased, and a "
        "backup of before put back, also with its own keys, before and after its versions are destroyed",
        command=f"dissonance drill keys --people {outcome.people} --rotations {rotations} --rate {outcome.rate:g}",
        now_us=SystemClock().now_us(),
        raw=raw_of(outcome),
        limits=_limits(outcome),
    )


def _limits(outcome: Outcome) -> list[Limit]:
    erased = len(outcome.erased.command_s) + len(outcome.erased.call_s)
    return [
        AtLeast("data_subjects", LEAST_PEOPLE),
        AtLeast("rotations", LEAST_ROTATIONS),
        AtLeast("requests", LEAST_REQUESTS),
        Equals("failed", 0),
        Equals("closed_after_a_rotation", 0),
        Equals("ends_refused_while_in_use", 2),
        Equals("versions_destroyed", len(outcome.rotations)),
        Equals("keys_under_destroyed_versions", 0),
        Equals("failed_by_processes_started_after", 0),
        Equals("rows_closed", 0),
        Equals("answered_not_stored", 0),
        AtMost("erase_max_s", MOST_ERASE_S),
        AtLeast("erased_people", ERASED),
        Equals("certificates_verified", erased),
        Equals("erased_rows_opened", 0),
        *(Equals(f"{where}_erased_opened", 0) for where in (*WITH_ITS_KEYS, LEFT_BEHIND)),
        *(AtLeast(f"{where}_erased_rows", erased) for where in (*WITH_ITS_KEYS, CONTROL, LEFT_BEHIND)),
        *(Equals(f"{where}_neighbours_closed", 0) for where in (*WITH_ITS_KEYS, CONTROL)),
        AtLeast(f"{CONTROL}_erased_opened", erased),
        AtLeast(f"{CONTROL}_versions_opened", 1),
        AtLeast(f"{LEFT_BEHIND}_versions", 1),
        Equals(f"{LEFT_BEHIND}_versions_opened", 0),
    ]


def raw_of(outcome: Outcome) -> dict[str, Raw]:
    rotations, erased, restored = outcome.rotations, outcome.erased, outcome.restored
    return {
        "data_subjects": outcome.people,
        "stored_in_s": outcome.filled_s,
        **_of_answers(outcome.answers),
        "rotations": len(rotations),
        "rotation_each_s": [each.took_s for each in rotations],
        "rotation_rewrapped": [each.rewrapped for each in rotations],
        "cut_short_and_resumed": sum(each.resumed for each in rotations),
        "cut_short_left": sum(each.left for each in rotations),
        "looked_at_after_a_rotation": sum(each.looked_at for each in rotations),
        "closed_after_a_rotation": sum(each.looked_at - each.opened for each in rotations),
        "ends_refused_while_in_use": outcome.ended.refused,
        "versions_destroyed": outcome.ended.destroyed,
        "keys_under_destroyed_versions": outcome.ended.left_under_them,
        "requests_to_processes_started_after": len(outcome.started_after),
        "failed_by_processes_started_after": sum(not answer.ok for answer in outcome.started_after),
        "rows": outcome.whole.rows,
        "rows_closed": outcome.whole.closed,
        "answered_not_stored": outcome.whole.lost,
        "erased_people": len(erased.command_s) + len(erased.call_s),
        "erase_max_s": max(erased.call_s),
        "erase_each_s": list(erased.call_s),
        "erase_command_max_s": max(erased.command_s),
        "erase_command_each_s": list(erased.command_s),
        "certificates_verified": erased.certified,
        "erased_rows": erased.looked_at,
        "erased_rows_opened": erased.opened,
        **_in_backup("backup", restored.keys_of_now),
        **_in_backup("restored", restored.after_up),
        **_of_own(CONTROL, restored.own_keys),
        **_of_own(LEFT_BEHIND, restored.left_behind),
        **_in_backup("backup_after_destroy", restored.kept),
    }


def _of_answers(answers: Sequence[Answer]) -> dict[str, Raw]:
    latencies = [answer.latency_s for answer in answers]
    return {
        "requests": len(answers),
        "failed": sum(not answer.ok for answer in answers),
        "retried": sum(answer.attempts > 1 for answer in answers),
        "latest_request_s": max((answer.late_s for answer in answers), default=None),
        "latency_p50_s": float(np.quantile(latencies, 0.5)) if latencies else None,
        "latency_p99_s": float(np.quantile(latencies, 0.99)) if latencies else None,
        "latency_max_s": max(latencies, default=None),
    }


def _of_own(where: str, found: OwnKeys) -> dict[str, Raw]:
    return {
        **_in_backup(where, found.rows),
        f"{where}_versions": found.versions,
        f"{where}_versions_opened": found.versions_opened,
    }


def _in_backup(where: str, found: InBackup) -> dict[str, Raw]:
    return {
        f"{where}_erased_rows": found.erased,
        f"{where}_erased_opened": found.erased_opened,
        f"{where}_neighbours_rows": found.neighbours,
        f"{where}_neighbours_closed": found.neighbours - found.neighbours_opened,
    }
