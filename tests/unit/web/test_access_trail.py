from __future__ import annotations

import pytest

from dissonance.adapters.memory.clock import FixedClock
from dissonance.contracts.accesses import Access, Outcome
from dissonance.security.permissions import Permission
from dissonance.telemetry.metrics import Metrics
from dissonance.web.access_trail import MOST_DENIED, REST, AccessTrail, Seen
from support.access import LocalAccess
from support.api import echo_app
from support.asgi import call

PREDICT = Seen("ann", "192.0.2.1", Permission.PREDICT, "POST", "/v1/tasks/{task}/predict", "toy", "", 200)
SET_POLICY = Seen("bob", "192.0.2.2", Permission.SET_POLICY, "POST", "/v1/tasks/{task}/policy", "toy", "", 200)
REFUSED = Seen("", "192.0.2.3", Permission.PREDICT, "POST", "/v1/tasks/{task}/predict", "toy", "unauthenticated", 401)


def trail(clock: FixedClock | None = None, metrics: Metrics | None = None) -> AccessTrail:
    return AccessTrail(clock or FixedClock(), metrics or Metrics())


def test_predictions_are_counted_by_holder_and_told_when_their_minute_is_over() -> None:
    clock = FixedClock()
    kept = trail(clock)
    for number in range(5):
        kept.note(PREDICT, number, f"request-{number}")
    kept.note(PREDICT._replace(who="eve"), 9)
    assert kept.take() == []
    clock.advance(60.0)
    ann, eve = kept.take()
    assert (ann.who, ann.count, ann.first_us, ann.last_us, ann.request_id) == ("ann", 5, 0, 4, "request-0")
    assert (ann.what, ann.outcome) == ("POST /v1/tasks/{task}/predict", Outcome.ALLOWED)
    assert (eve.who, eve.count) == ("eve", 1)
    clock.advance(60.0)
    assert kept.take() == []


def test_changes_are_told_one_by_one_and_at_once() -> None:
    kept = trail()
    for number in range(2):
        kept.note(SET_POLICY, number, f"request-{number}")
    assert [(each.count, each.request_id) for each in kept.take()] == [(1, "request-0"), (1, "request-1")]
    assert kept.take() == []


def test_denials_are_told_at_once_and_those_that_differ_in_nothing_together() -> None:
    metrics = Metrics()
    kept = trail(metrics=metrics)
    for number in range(1_000):
        kept.note(REFUSED, number)
    (told,) = kept.take()
    assert (told.outcome, told.reason, told.status, told.count) == (Outcome.DENIED, "unauthenticated", 401, 1_000)
    assert 'dissonance_accesses_denied_total{slug="unauthenticated"} 1000.0' in metrics.text().decode()


def test_a_flood_of_different_denials_is_counted_to_the_last_in_few_entries() -> None:
    clock = FixedClock()
    kept = trail(clock)
    told: list[Access] = []
    for second in range(5):
        for number in range(1_000):
            kept.note(REFUSED._replace(task=f"{second}-{number}"), clock.now_us())
        told += kept.take()
        clock.advance(1.0)
    assert sum(each.count for each in told) == 5_000
    assert len(told) <= MOST_DENIED + 5
    assert {each.source for each in told[MOST_DENIED:]} == {REST}


def test_after_a_flood_denials_have_entries_of_their_own_again() -> None:
    clock = FixedClock()
    kept = trail(clock)
    for number in range(2 * MOST_DENIED):
        kept.note(REFUSED._replace(task=str(number)), 0)
    clock.advance(60.0)
    kept.take()
    kept.note(REFUSED, 0)
    assert [each.source for each in kept.take()] == [REFUSED.source]


def test_at_the_end_everything_is_told() -> None:
    kept = trail()
    kept.note(PREDICT, 1)
    assert [each.who for each in kept.take(everything=True)] == ["ann"]


def test_what_a_caller_wrote_is_cut_and_made_plain() -> None:
    kept = trail()
    kept.note(REFUSED._replace(task="\x1b[2J\r\n" + "x" * 1_000), 0)
    (told,) = kept.take()
    assert told.task.startswith("?[2J??x")
    assert len(told.task) == 120


@pytest.mark.parametrize(
    ("grant", "path", "entry"),
    [
        (None, "/v1/tasks/toy/windows", ("", "windows:read", "GET /v1/tasks/{task}/windows", "toy", "unauthenticated")),
        ("client", "/metrics", ("tester", "metrics:read", "GET /metrics", "", "forbidden")),
        (None, "/no/such/place", ("", "", "GET unknown", "", "unauthenticated")),
        ("operator", "/metrics", ("tester", "metrics:read", "GET /metrics", "", "")),
        ("operator", "/no/such/place", None),
        (None, "/livez", None),
    ],
)
def test_an_app_notes_who_asked_for_what_and_whether_it_was_allowed(
    grant: str | None, path: str, entry: tuple[str, ...] | None
) -> None:
    access = LocalAccess()
    app = echo_app(access)
    call(app, "GET", path, headers={} if grant is None else access.header(grant))
    told = app.state.trail.take(everything=True)
    assert [(each.who, each.permission, each.what, each.task, each.reason) for each in told] == (
        [] if entry is None else [entry]
    )
    assert all(each.source == "127.0.0.1" for each in told)
