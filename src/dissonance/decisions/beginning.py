"""How a rollout begins: by a canary, at once, or not yet. Pure; times are event time."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import RolloutPhase
from dissonance.ports.rollouts import Rollout

SECOND_US = 1_000_000


def cools_off(rollout: Rollout | None, now_us: int, cooling_off_s: int) -> bool:
    """Whether the last rollout was taken back less than `cooling_off_s` of event time ago."""
    if rollout is None or rollout.phase is not RolloutPhase.ROLLED_BACK:
        return False
    return now_us < rollout.phase_at_us + cooling_off_s * SECOND_US


def how_it_ended(rollouts: Sequence[Rollout], version: int) -> Rollout | None:
    """The last rollout of `version`, where it was taken back or its canary ended; None where it is on its way, in
    production by now, or never was sent. `rollouts`: newest first."""
    last = next((each for each in rollouts if each.version == version), None)
    ends = (RolloutPhase.ROLLED_BACK, RolloutPhase.ABANDONED)
    return last if last is not None and last.phase in ends else None


def first_phase(latest: Rollout | None, now_us: int, policy: Policy, *, at_once: bool) -> RolloutPhase | None:
    """None while the task cools off, which holds back no person who asked for it at once.

    >>> first_phase(None, 0, Policy(canary_share=0.0), at_once=False)
    <RolloutPhase.ARMED: 'armed'>
    """
    if not at_once and cools_off(latest, now_us, policy.cooling_off_s):
        return None
    return RolloutPhase.ARMED if at_once or policy.canary_share == 0.0 else RolloutPhase.CANARY


def first_share(policy: Policy) -> float:
    """Of requests that a canary answers as it begins; none while it is in the shadow first.

    >>> first_share(Policy(canary_share=0.25)), first_share(Policy(canary_share=0.25, shadow_rows=100))
    (0.25, 0.0)
    """
    return 0.0 if policy.shadow_rows > 0 else policy.canary_share
