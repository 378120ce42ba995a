"""A candidate must be one that this system signed for this task."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import UpdateNumbers


class SignedForTask:
    """Its signature verifies, and feature schema and class order are the task's. No value of the policy loosens it."""

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        found = numbers.identity
        parts = {"signature": found.signed, "feature schema": found.schema, "class order": found.classes}
        wrong = [name for name, holds in parts.items() if not holds]
        what = "it is signed, and feature schema and class order are the task's"
        if not found.holds:
            what = f"what does not hold: {', '.join(wrong) or 'the artefact'}" + (
                f" ({found.refusal})" if found.refusal else ""
            )
        return RuleFinding(
            rule=type(self).__name__,
            holds=found.holds,
            numbers={name.replace(" ", "_"): float(holds) for name, holds in parts.items()},
            what=what,
        )
