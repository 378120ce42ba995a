"""What the loop says on the bus, as the demo tells it; and when the stream stands still for it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import Event
from dissonance.contracts.policy import Policy
from dissonance.contracts.topics import EventKind
from dissonance.contracts.verdicts import RuleFinding, UpdateVerdict
from dissonance.drills.demo.follow import FOLLOWED, MAKING, NEWS_US, Follower, tell
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.stream import Brake
from support.events import CURRENT, TASK_ID
from support.store import RowMaker


class Place:
    """A store and a bus on doubles, and a follower of the task of the examples."""

    def __init__(self) -> None:
        make = RowMaker("follow")
        self.task = msgspec.structs.replace(make.task(), task_id=TASK_ID)
        self.store = MemoryStore(make.clock)
        self.bus = MemoryBus(make.clock)
        self.progress = Progress(lambda: 1.5, 100)
        self.brake = Brake()
        self.follower = Follower(self, TASK_ID, self.progress, self.brake)

    async def heard(self, *events: Event) -> Follower:
        await self.store.create(self.task, Policy())
        for event in events:
            await self.follower.hear(event)
        return self.follower


def changed(kind: EventKind, **values: Any) -> Event:
    return msgspec.structs.replace(CURRENT[kind], **values)


@pytest.mark.parametrize("kind", FOLLOWED)
def test_everything_that_is_followed_is_told_in_one_line(kind: EventKind) -> None:
    told = tell(CURRENT[kind])
    assert told is not None
    assert told.text.strip() and "\n" not in told.text


def test_what_needs_no_telling_is_not_told() -> None:
    assert tell(CURRENT[EventKind.PREDICTED]) is None


def test_refusal_is_told_with_the_rules_that_do_not_hold_and_an_override_with_its_reason() -> None:
    findings = (
        RuleFinding("GoldenRule", False, {}, "golden accuracy fell by 0.3"),
        RuleFinding("KLRule", True, {}, "it moved little"),
    )
    refused = tell(changed(EventKind.UPDATE_JUDGED, version=6, verdict=UpdateVerdict.REFUSED, findings=findings))
    assert refused is not None
    assert refused.text == "the gate on version 6: refused: golden accuracy fell by 0.3"
    forced = tell(
        changed(
            EventKind.UPDATE_JUDGED,
            version=6,
            verdict=UpdateVerdict.OVERRIDDEN,
            findings=findings,
            by="ann",
            reason="fine",
        )
    )
    assert forced is not None
    assert "overridden by ann (fine)" in forced.text
    accepted = tell(changed(EventKind.UPDATE_JUDGED, verdict=UpdateVerdict.ACCEPTED, findings=findings[1:]))
    assert accepted is not None
    assert accepted.text.endswith("accepted, 1 rules hold")


def test_stream_stands_still_from_the_request_of_an_update_until_it_is_judged() -> None:
    async def scenario() -> list[frozenset[str]]:
        place = Place()
        await place.heard(CURRENT[EventKind.RETRAIN_REQUESTED])
        during = place.brake.held
        await place.follower.hear(CURRENT[EventKind.UPDATE_JUDGED])
        return [during, place.brake.held]

    assert asyncio.run(scenario()) == [frozenset({MAKING}), frozenset()]


def test_harm_is_noted_once_in_a_while_and_kept_each_time_with_the_labels_known_then() -> None:
    async def scenario() -> Place:
        place = Place()
        await place.heard(CURRENT[EventKind.HARM_ESTIMATED], CURRENT[EventKind.HARM_ESTIMATED])
        place.progress.event_time_us += NEWS_US + 1
        await place.follower.hear(CURRENT[EventKind.HARM_ESTIMATED])
        return place

    place = asyncio.run(scenario())
    assert len(place.progress.notes) == 2
    assert "RELP = 17 carries 12.5 points" in place.follower.happenings[0].text
    assert [each.numbers["labels_of_window"] for each in place.follower.happenings] == [0.0] * 3
    assert len(place.follower.heard(EventKind.HARM_ESTIMATED, after=1)) == 2


def test_a_promotion_marks_where_the_stream_had_come_to() -> None:
    async def scenario() -> Place:
        place = Place()
        place.progress.event_time_us = 77
        await place.heard(CURRENT[EventKind.MODEL_PROMOTED])
        return place

    place = asyncio.run(scenario())
    assert place.progress.promoted_at_us == 77
    (happening,) = place.follower.happenings
    assert (happening.kind, happening.version, happening.event_time_us, happening.elapsed_s) == (
        "model_promoted",
        4,
        77,
        0.0,
    )


def test_the_bus_is_followed_and_other_tasks_are_passed_over() -> None:
    async def scenario() -> Follower:
        place = Place()
        await place.heard()
        following = asyncio.create_task(place.follower.run())
        await asyncio.sleep(0.01)
        elsewhere = changed(EventKind.MODEL_PROMOTED, task_id="f" * 32, event_id="a" * 32)
        await place.bus.publish([elsewhere, CURRENT[EventKind.MODEL_PROMOTED]])
        while not place.follower.happenings:
            await asyncio.sleep(0.01)
        following.cancel()
        return place.follower

    assert len(asyncio.run(scenario()).happenings) == 1
