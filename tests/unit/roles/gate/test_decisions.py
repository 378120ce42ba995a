"""Decisions over HTTP: found by kind, version, time and id, and only by who may."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from dissonance.contracts.evidence import DecisionKind
from dissonance.roles.gate.anchoring import keep_anchored
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.evidence import DECISION_PURPOSE
from dissonance.security.signatures import verifies
from support.anchoring import RecordedAnchoring
from support.evidence import FOREIGN_KEYS, bundle_of, decision_from
from support.walk import TASK, Walk

KEYS = ArtefactKeys.from_seed(bytes(32), bytes(32))
SECOND_US = 1_000_000


def told(story: Callable[[Walk], Awaitable[None]]) -> None:
    async def walked() -> None:
        walk = await Walk.open()
        kinds = (DecisionKind.PROMOTED, DecisionKind.REFUSED, DecisionKind.CANARY)
        for number, kind in enumerate(kinds, start=1):
            bundle = bundle_of(kind, cause=f"cause {number}", task_id=TASK.task_id, decided_at_us=number * SECOND_US)
            await walk.store.record_decision(decision_from(bundle, FOREIGN_KEYS if number == 2 else KEYS))
        await story(walk)

    asyncio.run(walked())


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("", ["canary", "refused", "promoted"]),
        ("?limit=1", ["canary"]),
        ("?kind=promoted&kind=canary", ["canary", "promoted"]),
        ("?version=9", []),
        ("?from=1970-01-01T00:00:02Z&to=1970-01-01T00:00:03Z", ["refused"]),
    ],
)
def test_decisions_are_listed_as_they_are_asked_for(query: str, kinds: list[str]) -> None:
    async def story(walk: Walk) -> None:
        reply = await walk.get(f"toy/decisions{query}", "viewer")
        assert reply.status == 200, reply.body
        assert [each["kind"] for each in reply.json()["decisions"]] == kinds

    told(story)


@pytest.mark.parametrize(
    "query", ["?limit=0", "?kind=promotion", "?from=yesterday", "?until=2020-01-01T00:00:00Z", "?version=two"]
)
def test_a_filter_that_makes_no_sense_is_refused(query: str) -> None:
    async def story(walk: Walk) -> None:
        assert (await walk.get(f"toy/decisions{query}")).status == 422

    told(story)


def test_one_decision_is_told_with_what_was_signed_and_whether_that_holds() -> None:
    async def story(walk: Walk) -> None:
        listed = (await walk.get("toy/decisions")).json()["decisions"]
        whole = (await walk.get(f"toy/decisions/{listed[0]['decision_id']}", "operator")).json()
        assert whole["decision"] == listed[0]
        body = whole["body"].encode()
        assert hashlib.sha256(body).hexdigest() == listed[0]["decision_id"]
        assert msgspec.json.decode(body) == whole["bundle"]
        key, signature = bytes.fromhex(whole["public_key"]), bytes.fromhex(whole["signature"])
        assert verifies(key, signature, whole["purpose"], body)
        assert (whole["purpose"], whole["signed"]) == (DECISION_PURPOSE, True)
        foreign = (await walk.get(f"toy/decisions/{listed[1]['decision_id'][:6]}")).json()
        assert foreign["signed"] is False

    told(story)


@pytest.mark.parametrize("start", ["ffffffff", "12345", "%25%25%25%25%25%25"])
def test_an_id_that_names_no_decision_is_refused(start: str) -> None:
    async def story(walk: Walk) -> None:
        reply = await walk.get(f"toy/decisions/{start}")
        assert (reply.status, reply.json()["type"]) == (404, "urn:dissonance:problem:unknown-decision")

    told(story)


@pytest.mark.parametrize("route", ["toy/decisions", "toy/decisions/ffffffff"])
def test_who_may_not_read_decisions_is_told_nothing(route: str) -> None:
    async def story(walk: Walk) -> None:
        assert (await walk.get(route, "client")).status == 403
        assert (await walk.get(route.replace("toy", "none"), "viewer")).status == 404

    told(story)


def test_chains_are_anchored_again_and_again_also_after_an_engine_was_away() -> None:
    async def story() -> None:
        anchoring = RecordedAnchoring()
        anchoring.available = False
        work = asyncio.ensure_future(keep_anchored(anchoring, every_s=0.0))
        while anchoring.asked < 2:
            await asyncio.sleep(0.0)
        anchoring.available = True
        while anchoring.asked < 4:
            await asyncio.sleep(0.0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(story())
