"""The model that answered a window, estimated from the labelled reference (`roles.estimates.Estimates`).

The reference is the half of the critic's split that no proposer learns from, and the labelled rows that this very model
answered: it was made before their labels were known. Of what is fitted on them only models and beliefs are kept between
windows; the rows are opened anew each time, so that an erased row is out of the next estimate.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from dissonance.contracts.estimates import CarriedByFeature, CarriedBySlice, EstimateVerdict, WindowEstimate
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Feature, FeatureKind, Task
from dissonance.decisions.models import Proposer
from dissonance.decisions.rows import category_sizes
from dissonance.pipeline.aliases import open_pair, version_of
from dissonance.pipeline.mature_window import open_window
from dissonance.pipeline.reference import digest_of, open_answered, open_kept
from dissonance.pipeline.training import LabelledRows
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.store import Window
from dissonance.science.explanation import Believed, SliceHarm, explain_harm
from dissonance.science.harm import LEVEL, Nulls
from dissonance.science.proposer import LightGBMProposer
from dissonance.science.sceptic import Labelled, Sceptic
from dissonance.science.window_accuracy import (
    LEAST_ROWS,
    CannotTell,
    Reference,
    WindowAccuracy,
    fit_reference,
    window_accuracy,
)

MOST_WINDOW_ROWS = 2_000
MOST_REFERENCE_ROWS = 5_000
MOST_ANSWERED_ROWS = 3_000
GROWTH = 1.1
"""So many times as many answered rows, and the plain sceptic is fitted anew."""
MOST_NAMED = 5
"""Features, and slices, that are named as carrying a drop."""
FITTED_KEPT = 8
SEED = 0


class _Fitted(NamedTuple):
    """What was fitted on the reference: `rows_digest` says on which rows of the critic's split, `answered` on how many
    more. No row of it."""

    proposer: Proposer
    rows_digest: str
    answered: int
    plain: Sceptic
    nulls: Nulls


class _Rows(NamedTuple):
    """Labelled rows of the critic's split; labelled rows that the model answered; `features` (n, d) of the window."""

    usual: LabelledRows
    answered: LabelledRows
    features: NDArray[np.float64]


class PipelineEstimates:
    """Keeps what was fitted for the models that answered last: one that is taken back has the one before it answer
    again. Safe for one event loop."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._fitted: OrderedDict[tuple[str, str], _Fitted] = OrderedDict()

    async def of(self, task: Task, policy: Policy, window: Window) -> WindowEstimate | None:
        opened = await open_window(self._workshop, task, window, MOST_WINDOW_ROWS)
        if len(opened.features) < LEAST_ROWS:
            return None
        digest, known = opened.model_digest, self._fitted.get((task.task_id, opened.model_digest))
        if known is not None:
            proposer = known.proposer
        else:
            version = await version_of(self._workshop, task, digest)
            proposer = (await open_pair(self._workshop, task, version)).proposer
        usual = (await open_kept(self._workshop, task, MOST_REFERENCE_ROWS)).rows
        answered = (await open_answered(self._workshop, task, digest, window, MOST_ANSWERED_ROWS)).rows
        if len(usual.classes) < LEAST_ROWS:
            return None
        fitted, estimate = await asyncio.to_thread(
            _estimate, task, policy, digest, proposer, _Rows(usual, answered, opened.features), known
        )
        self._fitted[task.task_id, digest] = fitted
        self._fitted.move_to_end((task.task_id, digest))
        while len(self._fitted) > FITTED_KEPT:
            self._fitted.popitem(last=False)
        return estimate


def _reference(task: Task, proposer: Proposer, rows: _Rows, known: _Fitted | None) -> tuple[Reference, _Fitted]:
    """The rows with what was fitted on them, anew if they are others than it was fitted on; and what to keep of it."""
    together, usual, answered = rows.usual + rows.answered, len(rows.usual.classes), len(rows.answered.classes)
    labelled = Labelled(together.features, proposer.probabilities(together.features), together.classes)
    sizes, digest = category_sizes(task.schema), digest_of(rows.usual)
    if known is not None and known.rows_digest == digest and answered <= GROWTH * known.answered:
        return Reference(labelled, sizes, SEED, known.plain, known.nulls.source, usual), known
    reference = fit_reference(labelled, category_sizes=sizes, seed=SEED, usual=usual)
    return reference, _Fitted(proposer, digest, answered, reference.plain, Nulls(reference.source))


def _estimate(
    task: Task, policy: Policy, model_digest: str, proposer: Proposer, rows: _Rows, known: _Fitted | None
) -> tuple[_Fitted, WindowEstimate]:
    reference, fitted = _reference(task, proposer, rows, known)
    features, sizes = rows.features, reference.category_sizes
    ignored, nulls = _ignored(proposer, len(sizes)), fitted.nulls.of(len(features))
    found = window_accuracy(
        reference,
        features,
        proposer.probabilities(features),
        margin=policy.harm_margin,
        ignore=ignored,
        null=nulls.latest[0],
    )
    estimate = WindowEstimate(
        verdict=EstimateVerdict.CANNOT_TELL if isinstance(found, CannotTell) else EstimateVerdict.TOLD,
        model_digest=model_digest,
        rows=len(features),
        reference_rows=len(reference.rows.classes),
        reference_accuracy=float(reference.rows.right[: reference.usual].mean()),
        auc=found.overlap.auc,
        effective_share=found.overlap.effective_share,
        harm_margin=policy.harm_margin,
    )
    if isinstance(found, CannotTell):
        names = tuple(task.schema.names[column] for column in found.columns)
        estimate = replace(estimate, separating=names)
    else:
        estimate = _told(estimate, found)
        if found.harm.p_value <= LEVEL:
            estimate = _explained(estimate, task, policy, reference, features, found, ignored)
    return fitted._replace(nulls=nulls), estimate


def _told(estimate: WindowEstimate, found: WindowAccuracy) -> WindowEstimate:
    return replace(
        estimate,
        accuracy=found.accuracy,
        low=found.low,
        high=found.high,
        bound=found.bound,
        log_loss=found.metrics.log_loss,
        brier_score=found.metrics.brier_score,
        roc_auc=found.metrics.roc_auc,
        f1=found.metrics.f1,
        p_value=found.harm.p_value,
    )


def _explained(
    estimate: WindowEstimate,
    task: Task,
    policy: Policy,
    reference: Reference,
    features: NDArray[np.float64],
    found: WindowAccuracy,
    ignored: tuple[int, ...],
) -> WindowEstimate:
    """Slices of fewer rows of the window than `slice_rows_min` are not named: they would be about few people."""
    kept = [column for column in range(features.shape[1]) if column not in ignored]
    declared = [task.schema.features[column] for column in kept]
    explanation = explain_harm(
        Believed(reference.rows.features[: reference.usual, kept], reference.beliefs),
        Believed(features[:, kept], found.beliefs),
        category_sizes=[reference.category_sizes[column] for column in kept],
        seed=SEED,
    )
    by_feature = [
        CarriedByFeature(declared[each.column].name, each.carried)
        for each in explanation.features[:MOST_NAMED]
        if each.carried > 0.0
    ]
    by_slice = [
        CarriedBySlice(
            declared[each.column].name,
            part_name(declared[each.column], each),
            each.reference_share,
            each.window_share,
            each.carried,
        )
        for each in explanation.slices
        if each.carried > 0.0 and each.window_share * len(features) >= policy.slice_rows_min
    ]
    return replace(estimate, features=tuple(by_feature), slices=tuple(by_slice[:MOST_NAMED]))


def part_name(feature: Feature, part: SliceHarm) -> str:
    """A category, a range in three digits, or `missing`."""
    if part.code is not None and feature.kind is FeatureKind.CATEGORY:
        return str(feature.categories[part.code])
    if part.low is None or part.high is None:
        return "missing"
    low, high = (f"{edge:.3g}" if np.isfinite(edge) else "" for edge in (part.low, part.high))
    return f"{low}..{high}"


def _ignored(proposer: Proposer, width: int) -> tuple[int, ...]:
    """Columns that no tree of the proposer splits on: they would tell window and reference apart for nothing."""
    unused = proposer.unused_columns() if isinstance(proposer, LightGBMProposer) else ()
    return unused if len(unused) < width else ()
