"""The versioned limits of a task (design section 2). Units stand beside the defaults."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum

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
    "source_rows_per_hour": (1, 1_000_000_000),
    "label_budget_per_day": (0, 1_000_000_000),
    "label_lease_s": (1, TEN_YEARS_S),
    "label_join_s": (0, TEN_YEARS_S),
    "slice_rows_min": (1, 100_000),
    "retrain_labels_min": (1, 1_000_000_000),
    "retrain_labels_enough": (1, 1_000_000_000),
    "retrain_every_s": (0, TEN_YEARS_S),
    "shadow_rows": (0, 1_000),
    "canary_labels_min": (2, 1_000_000_000),
    "canary_max_s": (1, TEN_YEARS_S),
    "cooling_off_s": (0, TEN_YEARS_S),
    "audit_windows": (1, 1_000),
    "label_famine_s": (1, TEN_YEARS_S),
    "label_maturity_s": (0, TEN_YEARS_S),
    "holdout_uses_max": (1, 1_000_000_000),
    "model_bytes_max": (1, 2**40),
}
"""Lowest and highest of the whole numbers: beyond, times and counts would not fit where they are stored."""

SHARES = (
    "D_target",
    "max_dissonance",
    "max_doubt",
    "golden_drop_max",
    "harm_margin",
    "lambda_max",
    "lambda_in_force",
    "random_check_share",
    "least_sure_share",
    "second_look_confidence",
    "slice_drop_max",
    "calibration_rise_max",
    "canary_share",
    "error_rise_max",
    "dissonance_floor",
    "flip_rise_max",
    "perturbed_drop_max",
    "fairness_rise_max",
    "fairness_gap_max",
)
"""Values from 0 to 1."""

NOT_NEGATIVE = {
    "KL_eps": "nats",
    "outlier_ranges": "widths of the reference range",
    "perturbation_spread": "spreads of the column",
    "latency_rise_max": "times of the version before",
}

POSITIVE = {
    "alarms_per_month": "alarms a month of event time",
    "latency_ratio_max": "times the time of the model in production",
}


class WindowBy(StrEnum):
    """What bounds an evaluation window: `window_s` of event time, or `window_rows` rows."""

    TIME = "time"
    ROWS = "rows"


class LabelDelay(StrEnum):
    """What is assumed of how long labels take, when answers are audited by them."""

    ANY = "any"  # nothing: only inputs older than `label_maturity_s` count
    INDEPENDENT = "independent"  # of input and answer: labels count as they come


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of one task; `version` counts up from 1, and every verdict names the version it used.

    >>> Policy().max_dissonance
    0.5
    """

    version: int = 1
    D_target: float = 0.12  # total variation, 0..1; set from reference quantiles, this is the cap
    max_dissonance: float = 0.5  # total variation, 0..1; likewise
    max_doubt: float = 0.95  # probability, 0..1; a row above it is blocked
    outlier_ranges: float = 1.0  # widths of the reference range outside it, from which a number is suspected poison
    source_rows_per_hour: int = 1000  # rows of one data subject per hour of event time; more are a burst
    lambda_max: float = 0.05  # most weight of the dissonance penalty
    lambda_in_force: float = 0.0  # its weight now, 0..lambda_max; set by the meta-controller while it pays
    KL_eps: float = 0.02  # nats, mean KL(old || new)
    d_budget_per_hour: int = 100  # rows per hour of event time
    golden_drop_max: float = 0.015  # accuracy, 0..1
    slice_drop_max: float = 0.05  # accuracy, 0..1: no slice may lose more by an update
    slice_rows_min: int = 50  # rows; smaller slices are not stated and not judged
    calibration_rise_max: float = 0.02  # expected calibration error, 0..1: no update may raise it by more
    perturbation_spread: float = 0.05  # spreads of a number's column: how much noise an update must bear
    flip_rise_max: float = 0.02  # share of answers, 0..1: under that noise no more of them may turn than before
    perturbed_drop_max: float = 0.01  # accuracy, 0..1: nor may that noise cost more of it than before
    latency_ratio_max: float = 8.0  # times what the model in production takes for a row
    model_bytes_max: int = 134_217_728  # bytes of a pair's files
    sensitive_columns: str = ""  # names, with commas between; empty: none is declared
    fairness_rise_max: float = 0.05  # gap between groups, 0..1: no update may add more
    fairness_gap_max: float = 0.2  # gap between groups, 0..1: above it an update must make it smaller
    holdout_uses_max: int = 1000  # candidates judged on one golden holdout
    harm_margin: float = 0.01  # accuracy, 0..1
    alarms_per_month: float = 2.0  # false alarms of harm in 30 days of event time, at most
    retrain_labels_min: int = 200  # fresh labels without which harm and schedule wait
    retrain_labels_enough: int = 2000  # fresh labels that are a reason by themselves
    retrain_every_s: int = 0  # seconds of event time between updates by schedule; 0 = no schedule
    shadow_rows: int = 0  # different inputs that a candidate answers in the shadow first; 0 = a canary at once
    canary_share: float = 0.1  # of requests, 0..1; 0 = no canary: promoted at once
    canary_labels_min: int = 50  # labelled canary rows before anything is decided
    canary_max_s: int = 604_800  # seconds of event time after which an undecided canary ends
    rollback_window_s: int = 1800  # seconds of event time that a promotion stays under watch
    error_rise_max: float = 0.01  # share of calls, 0..1: so many more than of the version before may fail
    latency_rise_max: float = 3.0  # so many times longer than of the version before may a call take; 3 = four times
    cooling_off_s: int = 3600  # seconds of event time after a rollback without automatic updates
    label_budget_per_day: int = 100  # label requests per day of event time
    random_check_share: float = 0.2  # of the label budget, 0..1: uniformly random inputs
    least_sure_share: float = 0.5  # of the rest, 0..1: 1 asks for accuracy, 0 evenly, for log loss and audits
    label_lease_s: int = 900  # seconds that a label request is held by whoever took it
    label_join_s: int = 86_400  # seconds of event time: how long before a label by data subject its input may lie
    label_maturity_s: int = 604_800  # seconds of event time that a label may take: audits count older inputs
    label_delay: LabelDelay = LabelDelay.ANY
    second_look_confidence: float = 0.95  # 0..1: both models give the label at most one minus this: look again
    window_by: WindowBy = WindowBy.TIME
    window_rows: int = 1000  # rows of one evaluation window
    window_s: int = 86_400  # seconds of event time of one evaluation window
    window_watermark_s: int = 300  # seconds of event time to wait for stragglers
    retention_days: int = 365  # days a stored experience is kept, by processing time
    max_rows_per_request: int = 10_000  # rows
    audit_windows: int = 3  # closed windows in a row before the auditor speaks of dissonance
    dissonance_floor: float = 0.001  # total variation, 0..1: below it the critic only repeats the proposer
    label_famine_s: int = 604_800  # seconds of event time without a label

    @property
    def sensitive(self) -> tuple[str, ...]:
        """
        >>> Policy(sensitive_columns="sex, race").sensitive
        ('sex', 'race')
        """
        return tuple(name.strip() for name in self.sensitive_columns.split(",") if name.strip())

    def __post_init__(self) -> None:
        for name in SHARES:
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise PolicyInvalid(f"{name} is {value}", where=f"policy.{name}", fix="give a number from 0 to 1")
        for name, unit in NOT_NEGATIVE.items():
            value = getattr(self, name)
            if not 0.0 <= value < float("inf"):
                raise PolicyInvalid(f"{name} is {value}", where=f"policy.{name}", fix=f"give {unit}, 0 or more")
        for name, unit in POSITIVE.items():
            value = getattr(self, name)
            if not 0.0 < value < float("inf"):
                raise PolicyInvalid(f"{name} is {value}", where=f"policy.{name}", fix=f"give {unit}, more than 0")
        if self.lambda_in_force > self.lambda_max:
            raise PolicyInvalid(
                f"lambda_in_force is {self.lambda_in_force}, lambda_max {self.lambda_max}",
                where="policy.lambda_in_force",
                fix="give a number up to lambda_max; 0 switches the penalty off",
            )
        for name, (lowest, highest) in WHOLE.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise PolicyInvalid(
                    f"{name} is {value}", where=f"policy.{name}", fix=f"give a number from {lowest} to {highest}"
                )


def policy_digest(policy: Policy) -> str:
    """SHA-256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(msgspec.json.encode(policy, order="sorted")).hexdigest()
