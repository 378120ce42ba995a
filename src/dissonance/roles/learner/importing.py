"""Labels of a file into the system, in requests of bounded size; one that is refused does not hold up the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from dissonance.contracts.api import Label, LabelsRequest
from dissonance.contracts.columns import pieces
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.errors import InputError, KeyDestroyed
from dissonance.ports.desk import Desk
from dissonance.roles.learner.intake import labelled

AT_ONCE = 1_000


class Given(NamedTuple):
    """`second_look`: somebody was asked to look again, so this label counts whatever the models say."""

    label: Label
    second_look: bool = False


class Refused(NamedTuple):
    """`position` in what was given."""

    position: int
    error: InputError | KeyDestroyed


async def import_labels(
    desk: Desk,
    task: Task,
    policy: Policy,
    given: Sequence[Given],
    source: str,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Refused]:
    """Take them all but the refused, which are returned. Doing it again changes nothing. Raises `EngineUnavailable`."""
    refused: list[Refused] = []
    size = min(AT_ONCE, policy.max_rows_per_request)
    for second_look in (False, True):
        positions = [i for i, each in enumerate(given) if each.second_look is second_look]
        for start in range(0, len(positions), size):
            part = positions[start : start + size]
            if await _taken(desk, task, policy, [given[i] for i in part], source) is not None:
                for i in part:
                    error = await _taken(desk, task, policy, [given[i]], source)
                    if error is not None:
                        refused.append(Refused(i, error))
            progress(len(part))
    return sorted(refused, key=lambda each: each.position)


async def _taken(
    desk: Desk, task: Task, policy: Policy, part: Sequence[Given], source: str
) -> InputError | KeyDestroyed | None:
    """Why these are refused, all of them; None when they are durable on the bus. All or none are second looks."""
    request = LabelsRequest([each.label for each in part], source)
    try:
        event = await labelled(desk, task, policy, request, second_look=part[0].second_look)
    except (InputError, KeyDestroyed) as error:
        return error
    await desk.bus.publish(list(pieces(event)))
    return None
