"""Values of the policy that the auditor goes by: only the value changes, and the finding with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from support.audited import Audited

Deed = Callable[[Audited], Awaitable[None]]


def codes(deed: Deed, **values: Any) -> set[str]:
    async def scenario() -> set[str]:
        here = await Audited.open()
        await here.set_policy(**values)
        await deed(here)
        return {finding.code for finding in await here.audit()}

    return asyncio.run(scenario())


async def two_dissonant_windows(here: Audited) -> None:
    for number in (2, 3):
        await here.window(number, mean_dissonance=0.2)


async def two_silent_windows(here: Audited) -> None:
    for number in (2, 3):
        await here.window(number, mean_dissonance=0.0005)


async def an_hour_without_labels(here: Audited) -> None:
    here.clock.advance(3_700)
    await here.rows(1, at_us=here.clock.now_us(), labelled=False)


def test_audit_windows_is_how_many_dissonant_windows_in_a_row_are_a_finding() -> None:
    assert codes(two_dissonant_windows, audit_windows=2) == {"dissonance-high"}
    assert codes(two_dissonant_windows, audit_windows=3) == set()


def test_dissonance_floor_is_below_what_a_critic_only_repeats() -> None:
    assert codes(two_silent_windows, dissonance_floor=0.001) == {"dissonance-low"}
    assert codes(two_silent_windows, dissonance_floor=0.0005) == set()


def test_label_famine_s_is_how_long_inputs_may_come_without_labels() -> None:
    assert codes(an_hour_without_labels, label_famine_s=3_600) == {"label-famine"}
    assert codes(an_hour_without_labels, label_famine_s=3_700) == set()
