"""Findings are opened once, kept up to date, resolved once; and the small things of the store's own."""

from __future__ import annotations

import msgspec

from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.contracts.policy import Policy
from dissonance.contracts.windows import SliceFigures
from dissonance.ports.findings import Finding, Severity
from dissonance.ports.store import Store
from support.store import StoreCase, with_task


def finding(task_id: str, at_us: int = 10, **changes: object) -> Finding:
    made = Finding(
        task_id=task_id,
        code="disk",
        subject="folder",
        severity=Severity.ERROR,
        what="1 % is free",
        fix="make room",
        evidence={"free_bytes": 7, "share": 0.5, "folder": "data"},
        first_seen_us=at_us,
        last_seen_us=at_us,
    )
    return msgspec.structs.replace(made, **changes)


def test_a_finding_is_open_once_and_keeps_when_it_was_first_seen(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        assert await store.keep_finding(finding(task_id))
        assert not await store.keep_finding(finding(task_id, 20, what="0 % is free"))
        [found] = await store.findings(task_id)
        assert (found.what, found.first_seen_us, found.last_seen_us) == ("0 % is free", 10, 20)
        assert await store.resolve_finding(task_id, "disk", "folder", 30)
        assert not await store.resolve_finding(task_id, "disk", "folder", 40)
        assert await store.findings(task_id) == []
        assert await store.keep_finding(finding(task_id, 50))
        seen = await store.findings(task_id, include_resolved=True)
        assert [(each.first_seen_us, each.resolved_at_us) for each in seen] == [(50, None), (10, 30)]

    case.tell(story)


def test_the_worst_is_first_and_the_findings_of_a_deleted_task_are_gone(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        subject = task_id  # findings of the system outlive a test in a database that tests share
        await store.keep_finding(finding(task_id))
        await store.keep_finding(finding(WHOLE_SYSTEM, code="clock-skew", subject=subject, severity=Severity.CRITICAL))
        ours = [each.code for each in await store.findings() if each.subject == subject or each.task_id == task_id]
        assert ours == ["clock-skew", "disk"]
        await store.delete(task_id)
        assert [each for each in await store.findings() if each.task_id == task_id] == []
        await store.resolve_finding(WHOLE_SYSTEM, "clock-skew", subject, 99)

    case.tell(story)


def test_every_version_of_a_policy_is_kept_with_who_and_why(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        await store.set_policy(task_id, Policy(version=2, KL_eps=0.5), reason="wider", by="ann")
        newest, first = await store.policy_history(task_id)
        assert (newest.policy.KL_eps, newest.reason, newest.by) == (0.5, "wider", "ann")
        assert (first.policy, first.reason, first.by) == (Policy(), "task created", "task create")
        assert newest.set_at_us == case.make.clock.now_us()
        assert await store.policy_history(task_id, 1) == [newest]

    case.tell(story)


def test_a_window_keeps_its_slices_and_its_checks(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        slices = (
            SliceFigures("age", "0.0..9.0", 60, 5, 0.75, 0.6, 0.125),
            SliceFigures("k", "a", 70, 0, 0.5, None, 0.0),
        )
        window = case.make.window(
            task_id,
            estimated_error=0.25,
            random_checked=4,
            random_right=3,
            both_wrong=1,
            mean_label_delay_s=1.5,
            slices=slices,
        )
        assert await store.save_window(window) == 1
        assert await store.save_window(window) == 1
        assert await store.windows(task_id) == [msgspec.structs.replace(window, revision=1)]
        assert await store.save_window(msgspec.structs.replace(window, slices=slices[:1])) == 2

    case.tell(story)


def test_the_database_says_what_time_it_is(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        assert await store.database_time_us() >= case.make.clock.now_us()

    case.tell(story)
