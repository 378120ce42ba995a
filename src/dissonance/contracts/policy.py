"""The versioned limits of a task (design section 2). Units stand beside the defaults."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from dissonance.errors import PolicyInvalid

TEN_YEARS_S = 315_360_000
WHOLE: Mapping[str, tuple[int, int]] = {
    "version": (1, 2**31 - 1),
    "d_budget_per_hour": (0, 1_000_000_000),
    "rollback_window_s": (0, TEN_YEARS_S),
    "window_rows": (1, 100_000),
    "window_s": (1, TEN_YEARS_S),
    "window_watermark_s": (0, TEN_YEARS_S),
    "retention_days": (1, 36_500),
    "max_rows_per_request": (1, 1_000_000),
}
"""Lowest and highest of the whole numbers: beyond, times and counts would not fit where they are stored."""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of one task; `version` counts up from 1, and every verdict names the version it used.

    >>> Policy().max_dissonance
    0.5
    """

    version: int = 1
    D_target: float = 0.12  # total variation, 0..1; set from reference quantiles, this is the cap
    max_dissonance: float = 0.5  # total variation, 0..1; likewise
    lambda_max: float = 0.05  # weight of the dissonance penalty
    KL_eps: float = 0.02  # nats, mean KL(old || new)
    d_budget_per_hour: int = 100  # rows per hour of event time
    golden_drop_max: float = 0.015  # accuracy, 0..1
    harm_margin: float = 0.01  # accuracy, 0..1
    rollback_window_s: int = 1800  # seconds
    window_rows: int = 1000  # rows of one evaluation window
    window_s: int = 86_400  # seconds of event time of one evaluation window
    window_watermark_s: int = 300  # seconds of event time to wait for stragglers
    retention_days: int = 365  # days a stored experience is kept, by processing time
    max_rows_per_request: int = 10_000  # rows

    def __post_init__(self) -> None:
        for name in ("D_target", "max_dissonance", "golden_drop_max", "harm_margin", "lambda_max"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise PolicyInvalid(f"{name} is {value}", where=f"policy.{name}", fix="give a number from 0 to 1")
        if not 0.0 <= self.KL_eps < float("inf"):
            raise PolicyInvalid(f"KL_eps is {self.KL_eps}", where="policy.KL_eps", fix="give nats, 0 or more")
        for name, (lowest, highest) in WHOLE.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise PolicyInvalid(
                    f"{name} is {value}", where=f"policy.{name}", fix=f"give a number from {lowest} to {highest}"
                )


def policy_digest(policy: Policy) -> str:
    """SHA-256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(msgspec.json.encode(policy, order="sorted")).hexdigest()
