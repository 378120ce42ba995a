"""Which faults there are, in the order of a campaign."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.drills.faults.changes import AHEAD_S, BEHIND_S, clock_skew, model_swap, rolling_restart
from dissonance.drills.faults.hostile import flood, idle_connections
from dissonance.drills.faults.network import cut, slow
from dissonance.drills.faults.scene import Fault
from dissonance.drills.faults.signals import kill, kill_without_broker, stop, terminate
from dissonance.drills.faults.stand import ENGINES, GROUPS
from dissonance.drills.faults.storage import BROKER, LOGS, corrupt_at_start, corrupt_candidate, full_disk
from dissonance.errors import InputError

TARGETS = (*GROUPS, *ENGINES)


def whole_campaign() -> list[Fault]:
    """Every part by every fault that it can have; what is done on purpose; the storage last, which hurts most."""
    by_part = [fault for make in (kill, stop, terminate, slow, cut) for fault in map(make, TARGETS)]
    return [
        *by_part,
        kill_without_broker("proposer-1"),
        rolling_restart(),
        model_swap(),
        flood(),
        idle_connections(),
        clock_skew("proposer-2", AHEAD_S),
        clock_skew("gate", BEHIND_S),
        corrupt_candidate(),
        corrupt_at_start(),
        full_disk(LOGS),
        full_disk(BROKER),
    ]


def short_campaign() -> list[Fault]:
    """One of each of the cheap kinds, for a test."""
    return [kill("proposer-1"), stop("critic"), cut("gate"), slow("nats")]


def chosen(faults: Sequence[Fault], only: Sequence[str]) -> list[Fault]:
    """Those whose name holds one of `only`, in the order of the plan; all when there are none.

    Raises `InputError` for a word that names none.

    >>> [fault.name for fault in chosen(whole_campaign(), ["kill proposer"])]
    ['kill proposer-1', 'kill proposer-2']
    """
    for word in only:
        if not any(word in fault.name for fault in faults):
            raise InputError(
                f"no fault is named '{word}'",
                where="--only",
                fix=f"the faults are: {', '.join(fault.name for fault in faults)}",
            )
    return [fault for fault in faults if not only or any(word in fault.name for word in only)]
