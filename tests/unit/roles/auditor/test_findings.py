"""Every finding is provoked by breaking exactly one thing, is the only one then, and goes when it is mended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
import pytest

from dissonance.adapters.memory.host import GIB
from dissonance.contracts.events import WHOLE_SYSTEM, FindingRaised, FindingResolved
from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import Reason
from dissonance.ports.findings import Finding
from dissonance.ports.registry import ModelRole
from dissonance.roles.auditor.checks import CHECKS
from dissonance.roles.auditor.decide import STALE_US
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.tls import Wire
from support.accesses import batch, denied
from support.audited import Audited
from support.events import evaluated
from support.pairs import TASK
from support.requests import asked
from support.updates import rollout_of, step_of

Deed = Callable[[Audited], Awaitable[None]]


class Case(NamedTuple):
    """What breaks, what mends, and what the finding is about."""

    breaks: Deed
    mends: Deed
    subject: str
    task_id: str = TASK.task_id


async def registry_goes(here: Audited) -> None:
    here.registry.available = False


async def registry_comes(here: Audited) -> None:
    here.registry.available = True


async def policy_breaks(here: Audited) -> None:
    here.store.policy_broken = True


async def policy_heals(here: Audited) -> None:
    here.store.policy_broken = False


async def keys_are_exchanged(here: Audited) -> None:
    here.keys.foreign = True


async def keys_come_back(here: Audited) -> None:
    here.keys.foreign = False


async def folder_is_opened(here: Audited) -> None:
    here.host.mode = 0o750


async def folder_is_closed(here: Audited) -> None:
    here.host.mode = 0o700


async def cipher_is_off(here: Audited) -> None:
    here.host.plain = ["PREDICTED"]


async def cipher_is_on(here: Audited) -> None:
    here.host.plain = []


async def connection_is_plain(here: Audited) -> None:
    here.host.wires = (Wire.NATS,)


async def connection_is_safe(here: Audited) -> None:
    here.host.wires = ()


async def disk_fills(here: Audited) -> None:
    here.host.free = 9 * GIB


async def disk_is_freed(here: Audited) -> None:
    here.host.free = 11 * GIB


async def broker_takes_nothing(here: Audited) -> None:
    here.host.spool_files = 1


async def broker_takes_all(here: Audited) -> None:
    here.host.spool_files = 0


async def a_breaker_opens(here: Audited) -> None:
    here.breakers.make("MLflow").failed()


async def the_breaker_closes(here: Audited) -> None:
    here.breakers.all()["MLflow"].succeeded()


async def somebody_tries_doors(here: Audited) -> None:
    now_us = here.clock.now_us()
    tried = denied(who="", source="192.0.2.7", count=51, first_us=now_us, last_us=now_us)
    patient = denied(who="ann", count=50, first_us=now_us, last_us=now_us)
    await here.store.record_accesses(batch(1, tried, patient))


async def ten_minutes_go_by(here: Audited) -> None:
    here.clock.advance(601.0)


async def clock_runs_away(here: Audited) -> None:
    here.store.skew_us = 2_000_001


async def clock_is_set(here: Audited) -> None:
    here.store.skew_us = -2_000_000


async def nobody_reads(here: Audited) -> None:
    await here.bus.publish([evaluated(1)])
    async with here.bus.subscribe("evaluator-estimates", [EventKind.WINDOW_EVALUATED]) as subscription:
        for delivery in await subscription.fetch(10, 0.0):  # the other one that it is for
            await delivery.ack()
    here.clock.advance(STALE_US / 1e6 + 1)


async def somebody_reads(here: Audited) -> None:
    async with here.bus.subscribe("gate-rollouts", [EventKind.WINDOW_EVALUATED]) as subscription:
        for delivery in await subscription.fetch(10, 0.0):
            await delivery.ack()


async def old_texts_are_there(here: Audited) -> None:
    here.store.in_plain = ["labels.source"]


async def old_texts_are_sealed(here: Audited) -> None:
    here.store.in_plain = []


async def a_letter_dies(here: Audited) -> None:
    await here.bus.publish([evaluated(1)])
    async with here.bus.subscribe("gate-rollouts", [EventKind.WINDOW_EVALUATED]) as subscription:
        for delivery in await subscription.fetch(10, 0.0):
            await delivery.dead_letter("cannot be handled")


async def the_letter_is_dropped(here: Audited) -> None:
    for letter in await here.bus.dead_letters():
        await here.bus.drop_dead_letter(letter.sequence)


async def alias_is_lost(here: Audited) -> None:
    here.registry.withdrawn = True


async def alias_is_back(here: Audited) -> None:
    here.registry.withdrawn = False


async def bytes_change(here: Audited) -> None:
    here.damage(ModelRole.CRITIC)


async def bytes_are_restored(here: Audited) -> None:
    here.damage(None)


async def a_stranger_registers(here: Audited) -> None:
    foreign = ArtefactKeys.from_seed(here.shelf.keys.sealing, b"\x09" * 32)
    here.shelf.work = here.shelf.work._replace(artefact_keys=foreign)
    pair = here.shelf.add(2)
    here.shelf.promote(pair.proposer)


async def back_to_ours(here: Audited) -> None:
    here.registry.promote(here.registry.version(TASK.task_id, ModelRole.PROPOSER, 1))


async def a_promotion_is_cut_short(here: Audited) -> None:
    """The proposer's alias moved, its critic's did not."""
    here.shelf.promote(here.shelf.add(2).proposer)


async def it_is_promoted_again(here: Audited) -> None:
    here.registry.promote(here.registry.version(TASK.task_id, ModelRole.CRITIC, 2))


async def an_alias_is_moved_past_the_gate(here: Audited) -> None:
    settled = rollout_of(TASK.task_id, 2, RolloutPhase.SETTLED)
    await here.store.save_rollout(settled, step_of(settled))
    here.clock.advance(120)


async def its_version_is_put_there(here: Audited) -> None:
    pair = here.shelf.add(2)
    here.shelf.promote(pair.proposer)
    here.shelf.promote(pair.critic)


async def windows_disagree(here: Audited) -> None:
    for number in (2, 3):
        await here.window(number, mean_dissonance=0.13)


async def windows_repeat(here: Audited) -> None:
    for number in (2, 3):
        await here.window(number, mean_dissonance=0.0005)


async def windows_are_ordinary(here: Audited) -> None:
    await here.window(4, mean_dissonance=0.05)


async def budget_is_spent(here: Audited) -> None:
    event = here.make.judged(TASK.task_id, 5, event_times_us=[here.clock.now_us()] * 5)
    await here.store.record_verdicts(TASK.task_id, here.make.verdict_rows(event, Reason.WITHIN_BUDGET), {})


async def an_hour_passes(here: Audited) -> None:
    here.clock.advance(3_600)
    await here.rows(1, at_us=here.clock.now_us())


async def all_is_asked(here: Audited) -> None:
    event = await here.rows(5, at_us=here.clock.now_us())
    await here.store.ask(TASK.task_id, [asked(event, row) for row in range(5)])


async def a_day_passes(here: Audited) -> None:
    here.clock.advance(86_400)
    await here.rows(1, at_us=here.clock.now_us())


async def labels_stop(here: Audited) -> None:
    here.clock.advance(3_602)
    await here.rows(1, at_us=here.clock.now_us(), labelled=False)


async def a_label_comes(here: Audited) -> None:
    await here.rows(1, at_us=here.clock.now_us())


CASES: dict[str, Case] = {
    "engine-unavailable": Case(registry_goes, registry_comes, "MLflow", WHOLE_SYSTEM),
    "record-broken": Case(policy_breaks, policy_heals, "table policies"),
    "keys-do-not-match": Case(keys_are_exchanged, keys_come_back, "key folder", WHOLE_SYSTEM),
    "key-folder-open": Case(folder_is_opened, folder_is_closed, "/data/keys", WHOLE_SYSTEM),
    "streams-in-plain": Case(cipher_is_off, cipher_is_on, "/data/nats", WHOLE_SYSTEM),
    "connection-plain": Case(connection_is_plain, connection_is_safe, "nats", WHOLE_SYSTEM),
    "texts-in-plain": Case(old_texts_are_there, old_texts_are_sealed, "experience database", WHOLE_SYSTEM),
    "disk-low": Case(disk_fills, disk_is_freed, "/data", WHOLE_SYSTEM),
    "clock-skew": Case(clock_runs_away, clock_is_set, "database", WHOLE_SYSTEM),
    "events-spooled": Case(broker_takes_nothing, broker_takes_all, "/data/spool", WHOLE_SYSTEM),
    "breaker-open": Case(a_breaker_opens, the_breaker_closes, "MLflow", WHOLE_SYSTEM),
    "denied-burst": Case(somebody_tries_doors, ten_minutes_go_by, "nobody known, from 192.0.2.7", WHOLE_SYSTEM),
    "consumer-stale": Case(nobody_reads, somebody_reads, "gate-rollouts", WHOLE_SYSTEM),
    "dead-letters": Case(a_letter_dies, the_letter_is_dropped, "gate-rollouts", WHOLE_SYSTEM),
    "model-missing": Case(alias_is_lost, alias_is_back, TASK.name),
    "model-not-loadable": Case(bytes_change, bytes_are_restored, TASK.name),
    "critic-alias-behind": Case(a_promotion_is_cut_short, it_is_promoted_again, TASK.name),
    "production-undecided": Case(an_alias_is_moved_past_the_gate, its_version_is_put_there, TASK.name),
    "model-signed-by-another": Case(a_stranger_registers, back_to_ours, TASK.name),
    "dissonance-high": Case(windows_disagree, windows_are_ordinary, TASK.name),
    "dissonance-low": Case(windows_repeat, windows_are_ordinary, TASK.name),
    "dissonance-budget-spent": Case(budget_is_spent, an_hour_passes, TASK.name),
    "label-budget-spent": Case(all_is_asked, a_day_passes, TASK.name),
    "label-famine": Case(labels_stop, a_label_comes, TASK.name),
}
UNMENDED = {"schema-invalid"}
"""A schema is immutable: the task is made anew."""


def test_every_check_has_its_case() -> None:
    assert set(CASES) | UNMENDED == set(CHECKS)


@pytest.mark.parametrize("code", CASES)
def test_finding_comes_when_its_thing_breaks_and_goes_when_it_is_mended(code: str) -> None:
    async def scenario() -> tuple[list[Finding], list[Finding], list[Finding], Audited]:
        here = await Audited.open()
        auditor = here.auditor()
        before = await auditor.audit()
        await CASES[code].breaks(here)
        broken = await auditor.audit()
        await CASES[code].mends(here)
        return before, broken, await auditor.audit(), here

    before, broken, mended, _ = asyncio.run(scenario())
    assert before == []
    (finding,) = broken
    assert (finding.code, finding.subject, finding.task_id) == (code, CASES[code].subject, CASES[code].task_id)
    assert (finding.severity, finding.fix) == (CHECKS[code].severity, CHECKS[code].fix)
    assert finding.what
    assert mended == []


def test_schema_that_contradicts_itself_is_found() -> None:
    twice = FeatureSchema(
        (
            Feature("age", FeatureKind.NUMBER, minimum=5.0, maximum=1.0),
            Feature("age", FeatureKind.CATEGORY),
            Feature("label", FeatureKind.NUMBER),
        )
    )

    async def scenario() -> list[Finding]:
        here = await Audited.open(task=msgspec.structs.replace(TASK, schema=twice, classes=("no", "no")))
        return await here.audit()

    found = {finding.code: finding for finding in asyncio.run(scenario())}
    assert found.keys() == {"schema-invalid", "model-not-loadable"}, "and the model is of another schema"
    for piece in ("'age' is there twice", "minimum above", "no categories", "two different classes", "'label' is fed"):
        assert piece in found["schema-invalid"].what


def test_task_that_cannot_be_read_is_found() -> None:
    async def scenario() -> list[Finding]:
        here = await Audited.open()
        here.store.tasks_broken = True
        return await here.audit()

    (finding,) = asyncio.run(scenario())
    assert (finding.code, finding.task_id, finding.subject) == ("record-broken", WHOLE_SYSTEM, "table tasks")


def test_finding_keeps_the_time_it_was_first_seen_and_is_told_once_by_many_auditors() -> None:
    async def scenario() -> tuple[list[Finding], list[object]]:
        here = await Audited.open()
        async with here.bus.watch([EventKind.FINDING_RAISED, EventKind.FINDING_RESOLVED]) as heard:
            one, other = here.auditor(), here.auditor()
            await disk_fills(here)
            await one.audit()
            here.clock.advance(10)
            await other.audit()
            here.clock.advance(10)
            found = await one.audit()
            await disk_is_freed(here)
            await one.audit()
            await other.audit()
            return found, [await anext(heard) for _ in range(2)]

    found, events = asyncio.run(scenario())
    (finding,) = found
    assert finding.last_seen_us - finding.first_seen_us == 20_000_000
    first, gone = events
    assert isinstance(first, FindingRaised)
    assert (first.severity, first.evidence["free_bytes"]) == ("error", 9 * GIB)
    assert isinstance(gone, FindingResolved)
    assert gone.first_seen_us == finding.first_seen_us


def test_what_cannot_be_looked_at_now_stays_as_it_was() -> None:
    async def scenario() -> list[Finding]:
        here = await Audited.open()
        await bytes_change(here)
        await here.audit()
        await registry_goes(here)
        await bytes_are_restored(here)
        return await here.audit()

    assert {finding.code for finding in asyncio.run(scenario())} == {"engine-unavailable", "model-not-loadable"}


def test_a_task_that_was_deleted_leaves_nothing_open() -> None:
    async def scenario() -> list[Finding]:
        here = await Audited.open()
        await labels_stop(here)
        assert len(await here.audit()) == 1
        await here.store.delete(TASK.task_id)
        return await here.audit()

    assert asyncio.run(scenario()) == []


def test_windows_that_are_open_still_say_nothing() -> None:
    async def scenario() -> list[Finding]:
        here = await Audited.open()
        for number in (2, 3):
            await here.window(number, mean_dissonance=0.5, closed=False)
        return await here.audit()

    assert asyncio.run(scenario()) == []
