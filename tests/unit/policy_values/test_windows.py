"""Values of the policy that windows are stated by, and updates asked for: only the value changes, and what is said."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from dissonance.contracts.policy import LabelDelay, Policy, WindowBy
from dissonance.contracts.updates import RetrainCause, RolloutPhase
from dissonance.ports.store import Window
from dissonance.roles.evaluator.due import Known, judged, update_due
from dissonance.roles.learner.housekeeping import Housekeeping
from support.estimates import estimated, told
from support.labelling import ASKING, asking, send
from support.store import RowMaker
from support.updates import rollout_of
from support.walk import TASK, Walk, row

DAY_S = 86_400
SECOND_US = 1_000_000
AT = [f"2020-01-0{day}T00:00:00Z" for day in range(1, 6)]


def windows(**values: Any) -> list[dict[str, Any]]:
    """The windows of five rows, one a day; oldest first."""

    async def scenario() -> list[dict[str, Any]]:
        walk = await Walk.open(policy=Policy(**values))
        await walk.predict([row(at=at, person=f"p{number}") for number, at in enumerate(AT)])
        await walk.pump()
        listed: list[dict[str, Any]] = (await walk.get("toy/windows")).json()["windows"]
        return listed[::-1]

    return asyncio.run(scenario())


def test_window_by_is_whether_time_or_rows_bound_a_window() -> None:
    values = {"window_s": DAY_S, "window_rows": 2, "window_watermark_s": 0}
    assert [window["rows"] for window in windows(window_by=WindowBy.TIME, **values)] == [1] * 5
    assert [window["rows"] for window in windows(window_by=WindowBy.ROWS, **values)] == [2, 2, 1]


def test_window_rows_is_how_many_rows_a_window_holds() -> None:
    values = {"window_by": WindowBy.ROWS, "window_watermark_s": 0}
    assert [window["rows"] for window in windows(window_rows=2, **values)] == [2, 2, 1]
    assert [window["rows"] for window in windows(window_rows=3, **values)] == [3, 2]


def test_window_s_is_how_long_a_window_is() -> None:
    assert [window["rows"] for window in windows(window_s=DAY_S)] == [1] * 5
    assert [window["rows"] for window in windows(window_s=365 * DAY_S)] == [5]


def test_window_watermark_s_is_how_long_a_window_waits_for_stragglers() -> None:
    assert [window["closed"] for window in windows(window_s=DAY_S, window_watermark_s=0)] == [True] * 4 + [False]
    late = windows(window_s=DAY_S, window_watermark_s=DAY_S)
    assert [window["closed"] for window in late] == [True] * 3 + [False] * 2


def test_slice_rows_min_is_how_many_rows_a_slice_must_have_to_be_stated() -> None:
    def slices(least: int) -> list[str]:
        async def scenario() -> list[str]:
            policy = Policy(window_s=DAY_S, window_watermark_s=0, slice_rows_min=least)
            walk = await Walk.open(policy=policy)
            rows = [row(person=f"p{number}", colour="blue" if number == 0 else "red") for number in range(4)]
            await walk.predict([*rows, row(at=AT[3], person="later")])
            await walk.pump()
            first = (await walk.get("toy/windows")).json()["windows"][-1]["window_id"]
            stated = (await walk.get(f"toy/windows/{first}")).json()["slices"]
            return sorted(each["value"] for each in stated if each["feature"] == "colour")

        return asyncio.run(scenario())

    assert slices(3) == ["red"]
    assert slices(1) == ["blue", "red"]


def audit(**values: Any) -> dict[str, Any] | None:
    """Of the first of two days, the second of which is a week later: one input, asked about and labelled at once."""

    async def scenario() -> dict[str, Any] | None:
        walk = await asking(msgspec.structs.replace(ASKING, window_s=DAY_S, window_watermark_s=0, **values))
        (prediction_id,) = await walk.predict([row(at=AT[0], person="p")])
        await walk.pump()
        await send(walk, {"prediction_id": prediction_id, "label": "yes", "labelled_at": "2020-01-01T06:00:00Z"})
        await walk.predict([row(at="2020-01-08T00:00:00Z", person="later")])
        await walk.pump()
        first = (await walk.get("toy/windows")).json()["windows"][-1]["window_id"]
        told: dict[str, Any] | None = (await walk.get(f"toy/windows/{first}")).json()["audit"]
        return told

    return asyncio.run(scenario())


def test_label_maturity_s_is_how_old_an_input_must_be_to_be_audited() -> None:
    told = audit(label_maturity_s=7 * DAY_S)
    assert told is not None and (told["rows"], told["labels"]) == (1, 1)
    assert audit(label_maturity_s=7 * DAY_S + 1) is None


def test_label_delay_is_whether_labels_audit_before_they_are_all_there() -> None:
    assert audit(label_maturity_s=30 * DAY_S, label_delay=LabelDelay.ANY) is None
    assert audit(label_maturity_s=30 * DAY_S, label_delay=LabelDelay.INDEPENDENT) is not None


MODEL = "a" * 64


def window(number: int, p_value: float, *, labelled: int = 100) -> Window:
    made = RowMaker("due").window(TASK.task_id, number * 1_000)
    figures = {"rows": 400, "labelled": labelled, "estimate": told(0.73, p_value, MODEL)}
    return msgspec.structs.replace(made, closed=True, **figures)


def known(fresh: int = 500, *, passed_s: int = 0, **changes: Any) -> Known:
    return Known(MODEL, fresh, None, 0, passed_s * SECOND_US)._replace(**changes)


def cause(policy: Policy, state: Known, *listed: Window) -> RetrainCause | None:
    due = update_due(listed, state, policy)
    return None if due is None else due.cause


def test_harm_margin_is_how_far_accuracy_may_fall_before_it_is_harm() -> None:
    def p_value(margin: float) -> float:
        estimate = estimated(Policy(harm_margin=margin), fallen=True)
        assert estimate.p_value is not None
        return estimate.p_value

    assert p_value(0.0) < 0.01
    assert p_value(0.5) > 0.5


def test_alarms_per_month_is_how_many_false_alarms_may_come() -> None:
    p_values = [0.6, 0.01, 0.01]

    def alarms(per_month: float) -> list[bool]:
        listed = [window(number, p_value) for number, p_value in enumerate(p_values)]
        return [each.alarms for each in judged(listed, MODEL, Policy(alarms_per_month=per_month))]

    assert alarms(1.0) == [False, False, False]
    assert alarms(10.0) == [False, True, True]


def test_retrain_labels_min_is_how_many_labels_of_the_harm_must_have_come() -> None:
    run = [window(number, 0.0005) for number in (1, 2)]
    assert cause(Policy(retrain_labels_min=200), known(), *run) is RetrainCause.HARM
    assert cause(Policy(retrain_labels_min=201), known(), *run) is None


def test_retrain_labels_enough_is_how_many_fresh_labels_are_a_reason_by_themselves() -> None:
    assert cause(Policy(retrain_labels_enough=500), known(500)) is RetrainCause.LABELS
    assert cause(Policy(retrain_labels_enough=501), known(500)) is None


def test_retrain_every_s_is_how_long_after_an_update_the_next_is_due() -> None:
    assert cause(Policy(retrain_every_s=3_600), known(passed_s=3_600)) is RetrainCause.SCHEDULE
    assert cause(Policy(retrain_every_s=3_601), known(passed_s=3_600)) is None
    assert cause(Policy(retrain_every_s=0), known(passed_s=3_600)) is None, "0 is no schedule"


def test_cooling_off_s_is_how_long_no_update_is_asked_for_after_a_rollback() -> None:
    rolled_back = rollout_of(TASK.task_id, 2, RolloutPhase.ROLLED_BACK)
    state = known(2_000, passed_s=600, rollout=rolled_back)
    assert cause(Policy(cooling_off_s=600), state) is RetrainCause.LABELS
    assert cause(Policy(cooling_off_s=601), state) is None


@pytest.mark.parametrize(("days", "left"), [(10, 1), (9, 0)])
def test_retention_days_is_how_long_a_row_is_kept(days: int, left: int) -> None:
    async def scenario() -> int:
        walk = await Walk.open(policy=Policy(retention_days=days))
        await walk.predict([row()])
        await walk.pump()
        walk.clock.advance(10 * DAY_S - 1)
        await Housekeeping(walk.store, walk.clock).sweep()
        return len(await walk.store.between(TASK.task_id, 0, 2**60))

    assert asyncio.run(scenario()) == left
