"""All numbers that a candidate is judged by: both models on the same rows, in one run."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import FeatureKind, Task, schema_digest
from dissonance.decisions.pairs import LoadedPair
from dissonance.decisions.rows import category_sizes
from dissonance.decisions.slices import slices_of
from dissonance.decisions.updates.golden import BOUND_NAMED
from dissonance.decisions.updates.numbers import (
    Change,
    Cost,
    GroupGaps,
    Identity,
    Robustness,
    SliceChange,
    Unsteadiness,
    UpdateNumbers,
)
from dissonance.errors import ModelFailed
from dissonance.pipeline.group_gaps import Answered, group_gaps
from dissonance.pipeline.training import LabelledRows
from dissonance.ports.clock import Clock
from dissonance.science.divergences import kullback_leibler
from dissonance.science.metrics import expected_calibration_error
from dissonance.science.perturbations import Noise, disturbed, turned

DRAWS = 3
MOST_DISTURBED = 2_000
"""Golden rows that are disturbed, so many times: the standard error of the difference is then below 0.004."""

FORGOTTEN = 0.02
"""Share of the categories that go missing while numbers are disturbed."""

SEED = 0
"""Every candidate meets the same noise."""

TIMED = 5
TIMED_ROWS = 1_000
"""Both models answer so many rows so many times, in turns; the median counts."""


class Given(NamedTuple):
    """What two models are held against: golden rows, inputs of the last mature window (n, d), and how many candidates
    were judged on those golden rows before. `window_of`: what those inputs are of (`UpdateNumbers.kl_inputs`)."""

    golden: LabelledRows
    window: NDArray[np.float64]
    holdout_uses: int
    window_of: str


def compare(
    task: Task, incumbent: LoadedPair, candidate: LoadedPair, given: Given, policy: Policy, clock: Clock
) -> UpdateNumbers:
    """Blocking: seconds on a large holdout. Raises `ModelFailed` where a model gives no answer."""
    golden = given.golden
    kl = kullback_leibler(_probabilities(incumbent, given.window), _probabilities(candidate, given.window))
    before, after = (_Answers.of(pair, golden) for pair in (incumbent, candidate))
    slices = [
        SliceChange(each.feature, each.value, _change(before.right[each.inside], after.right[each.inside]))
        for each in slices_of(task.schema, golden.features, policy.slice_rows_min)
    ]
    return UpdateNumbers(
        golden=_change(before.right, after.right),
        holdout_uses=given.holdout_uses,
        incumbent_calibration_error=before.calibration_error,
        candidate_calibration_error=after.calibration_error,
        kl=float(kl.mean()),
        kl_error=float(kl.std() / np.sqrt(len(kl))),
        window_rows=len(kl),
        slices=tuple(slices),
        robustness=_robustness(task, incumbent, candidate, golden, policy),
        cost=_cost(incumbent, candidate, given.window[:TIMED_ROWS], clock),
        identity=_identity(task, candidate),
        fairness=_fairness(task, Answered(golden.classes, before.answers, after.answers), golden, policy),
        not_in_schema=tuple(name for name in policy.sensitive if name not in task.schema.names),
        golden_form=BOUND_NAMED,
        kl_inputs=given.window_of,
        **_held_out(candidate.version.metrics),
    )


def _probabilities(pair: LoadedPair, features: NDArray[np.float64]) -> NDArray[np.float64]:
    p = pair.proposer.probabilities(features)
    if not np.isfinite(p).all():
        raise ModelFailed(
            f"version {pair.version.version} answers with what is no probability",
            where="model",
            fix="make it anew; if it is in production, take it back: dissonance models rollback",
        )
    return p


def _held_out(said: Mapping[str, float]) -> dict[str, Any]:
    """What fresh labels say, if enough of them were held out when the candidate was made."""
    if "held_out_rise" not in said:
        return {}
    return {
        "held_out_rise": said["held_out_rise"],
        "held_out_error": said["held_out_rise_error"],
        "held_out_rows": int(said["held_out_rows"]),
    }


class _Answers(NamedTuple):
    """(n,) what each golden row was answered, and whether right; the calibration error of the answers' own
    confidence."""

    answers: NDArray[np.int64]
    right: NDArray[np.bool_]
    calibration_error: float

    @classmethod
    def of(cls, pair: LoadedPair, golden: LabelledRows) -> _Answers:
        p = _probabilities(pair, golden.features)
        answers = p.argmax(axis=1)
        right = np.asarray(answers == golden.classes)
        if not len(right):
            return cls(answers, right, 0.0)
        return cls(answers, right, expected_calibration_error(p.max(axis=1), right.astype(np.float64)))


def _change(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Change:
    return Change(
        rows=len(before),
        incumbent_right=int(before.sum()),
        candidate_right=int(after.sum()),
        gained=int((after & ~before).sum()),
        lost=int((before & ~after).sum()),
    )


def _robustness(
    task: Task, incumbent: LoadedPair, candidate: LoadedPair, golden: LabelledRows, policy: Policy
) -> Robustness | None:
    if not len(golden.classes):
        return None
    rows = golden.at(np.unique(np.linspace(0, len(golden.classes) - 1, MOST_DISTURBED).astype(np.int64)))
    sizes, whole = category_sizes(task.schema), [each.kind is FeatureKind.INTEGER for each in task.schema.features]
    noise, generator = Noise(policy.perturbation_spread, FORGOTTEN), np.random.default_rng(SEED)
    draws = [disturbed(rows.features, sizes, whole, noise, generator) for _ in range(DRAWS)]
    before, after = (
        turned(pair.proposer.probabilities, rows.features, rows.classes, draws) for pair in (incumbent, candidate)
    )
    n = len(rows.classes)
    return Robustness(
        rows=n,
        draws=DRAWS,
        incumbent=Unsteadiness(float(before.flips.mean()), float(before.drop.mean())),
        candidate=Unsteadiness(float(after.flips.mean()), float(after.drop.mean())),
        flips_error=float((after.flips - before.flips).std() / np.sqrt(n)),
        drop_error=float((after.drop - before.drop).std() / np.sqrt(n)),
    )


def _cost(incumbent: LoadedPair, candidate: LoadedPair, rows: NDArray[np.float64], clock: Clock) -> Cost:
    took: tuple[list[int], list[int]] = ([], [])
    for _ in range(TIMED):
        for pair, times in zip((incumbent, candidate), took, strict=True):
            start_us = clock.now_us()
            pair.proposer.probabilities(rows)
            times.append(max(1, clock.now_us() - start_us))  # the clock knows nothing shorter
    before_us, after_us = (statistics.median(times) / len(rows) for times in took)
    return Cost(before_us, after_us, _bytes(incumbent), _bytes(candidate))


def _bytes(pair: LoadedPair) -> int:
    return sum(len(content) for each in (pair.artefact, pair.critic_artefact) for content in each.files.values())


def _identity(task: Task, candidate: LoadedPair) -> Identity:
    """Of a candidate that was opened, so that its signature holds."""
    manifests = (candidate.artefact.manifest, candidate.critic_artefact.manifest)
    return Identity(
        schema=all(each.schema_digest == schema_digest(task.schema) for each in manifests),
        classes=all(each.classes == task.classes for each in manifests),
    )


def _fairness(task: Task, answered: Answered, golden: LabelledRows, policy: Policy) -> tuple[GroupGaps, ...]:
    return tuple(
        group_gaps(feature, golden.features[:, column], answered, len(task.classes), policy.slice_rows_min)
        for column, feature in enumerate(task.schema.features)
        if feature.name in policy.sensitive
    )
