"""Changed concepts and poisoned labels: the real inputs of a case, with labels that are no longer what they were.

A slice of 10 to 25 % of the target rows: one category or one side of a number, or two such conditions. In it a label is
drawn anew with probability 0.6, from the other classes ("flipped") or from all ("redrawn"; with two classes half of
those are what they were).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dissonance.contracts.policy import Policy
from dissonance.science.arrays import Classes, Mask, Matrix, Vector
from dissonance.science.changed_slices import find_changed_slice
from dissonance.science.metrics import log_loss
from dissonance.science.mixing import Calibration, mixed
from dissonance.science.proposer import LightGBMProposer
from dissonance.science.quarantine import Quarantine, judge_batch
from dissonance.science.renewal import Believed, crosswise
from dissonance.science.sceptic import fit_sceptic
from dissonance.science.signed import SignedFit
from dissonance.science.slices import Checked
from dissonance.science.step import largest_step
from science.prepare import Prepared
from science.setting import Setting, plain

CHANGED_CASES = (
    "acs-schooling",
    "acs-women",
    "adult-hours",
    "adult-married",
    "california-north",
    "california-south",
    "phoneme-pc1-up",
    "spambase-pc1-up",
)
"""Two of each large set of two classes, one of each small one: changing labels costs a round of fits each."""
REDRAWN = 0.6
TRIES = 2_000
LABELS = 200
FINDER_LABELS = 400
LEVEL = 0.05
NULLS, POWERS = 6, 2
"""Draws a case and seed: of false alarms, and of each kind of change."""
FLIPPED_BY_POISON = 0.3
TRIGGERED = 0.08
MOST_BATCH, MOST_TRUSTED = 600, 200

Row = dict[str, Any]


def slice_of(features: Matrix, category_sizes: Sequence[int], draw: np.random.Generator) -> Mask:
    """(n,): a slice drawn at random. Raises `ValueError` when the inputs have none of that size."""
    for _ in range(TRIES):
        inside = np.ones(len(features), dtype=np.bool_)
        for column in draw.choice(features.shape[1], size=draw.integers(1, 3), replace=False):
            values = features[:, column]
            there = values[~np.isnan(values)]
            if not len(there):
                continue
            if category_sizes[column]:
                inside &= values == draw.choice(there)
            else:
                above, bound = draw.random() < 0.5, np.quantile(there, draw.uniform(0.1, 0.9))
                inside &= (values > bound) == above
        if 0.1 <= inside.mean() <= 0.25:
            return inside
    raise ValueError("no slice of 10 to 25 % of the target rows was found")


def changed(
    classes: Classes, inside: Mask, k: int, kind: str, draw: np.random.Generator, rate: float = REDRAWN
) -> Classes:
    hit = inside & (draw.random(len(classes)) < rate)
    anew = (
        draw.integers(k, size=len(classes)) if kind == "redrawn" else classes + draw.integers(1, k, size=len(classes))
    )
    return np.where(hit, anew % k, classes)


def concept_rows(prepared: Prepared, setting: Setting) -> Iterator[Row]:
    """The signed correction against retraining, both as fitted; `still` is the source, where nothing changes."""
    draw = np.random.default_rng([prepared.seed, 1, *prepared.case.encode()])
    pool = setting.today.and_then(setting.later)
    cut = len(setting.today.classes)
    for kind in ("flipped", "redrawn"):
        inside = slice_of(pool.features, setting.category_sizes, draw)
        rows = pool._replace(classes=changed(pool.classes, inside, setting.classes_count, kind, draw))
        place = np.arange(len(rows.classes))
        yield from _compared(setting, rows.at(place < min(LABELS, cut)), rows.at(place >= cut), kind)
    place = np.arange(len(setting.source.classes))
    yield from _compared(setting, setting.source.at(place < LABELS), setting.source.at(place >= LABELS), "still")


def _compared(setting: Setting, fresh: Believed, later: Believed, kind: str) -> Iterator[Row]:
    models = {"retrain": plain(setting, fresh), "signed": signed(setting, fresh)}
    for method, model in models.items():
        loss = log_loss(model.probabilities(later.features), later.classes)
        yield {"part": f"concept_{kind}", "method": method, "labels": LABELS, "metric": "log_loss", "value": loss}


def signed(setting: Setting, fresh: Believed) -> LightGBMProposer:
    fit = SignedFit(setting.category_sizes, setting.classes_count, setting.seed)
    return fit(setting.train.and_then(setting.reference), fresh)


def finder_rows(prepared: Prepared) -> Iterator[Row]:
    """Random labels of target rows, beside the answers of a critic of target rows from before the change, so that what
    is found is the change, and not that the model was never right there."""
    draw = np.random.default_rng([prepared.seed, 2, *prepared.case.encode()])
    target, sizes, k = prepared.target, prepared.category_sizes, prepared.classes_count
    half = np.arange(len(target)) < len(target) // 2
    known, later = target.take(np.flatnonzero(half)), target.take(np.flatnonzero(~half))
    critic = fit_sceptic(known.labelled, category_sizes=sizes, seed=prepared.seed)
    believed = critic.distribution(later.features, later.p)
    for kind, draws in (("none", NULLS), ("flipped", POWERS), ("redrawn", POWERS)):
        for _ in range(draws):
            inside = slice_of(later.features, sizes, draw) if kind != "none" else np.zeros(len(later), dtype=np.bool_)
            wrong = believed.argmax(axis=1) != changed(later.classes, inside, k, kind, draw)
            asked = draw.permutation(len(later))[:FINDER_LABELS]
            expected = 1.0 - believed[asked].max(axis=1)
            rows = Checked(later.features[asked], wrong[asked].astype(np.float64), expected)
            found = find_changed_slice(rows, category_sizes=sizes, level=LEVEL, seed=int(draw.integers(2**31)))
            of = {"part": "finder", "method": kind, "labels": FINDER_LABELS}
            yield {**of, "metric": "found", "value": float(found is not None)}
            if found is not None and kind != "none":
                said = found.inside(later.features)
                yield {**of, "metric": "precision", "value": float((said & inside).sum() / max(1, said.sum()))}
                yield {**of, "metric": "recall", "value": float((said & inside).sum() / max(1, inside.sum()))}


def poison_rows(prepared: Prepared, setting: Setting) -> Iterator[Row]:
    """One batch of labels and a random check, the batch as it is, poisoned in two ways, or of a changed concept."""
    draw = np.random.default_rng([prepared.seed, 3, *prepared.case.encode()])
    pool = setting.today.and_then(setting.later)
    k, n = setting.classes_count, len(pool.classes)
    in_batch, in_check = min(MOST_BATCH, int(0.4 * n)), min(MOST_TRUSTED, int(0.15 * n))
    place = np.arange(n)
    batch, trusted = pool.at(place < in_batch), pool.at((place >= in_batch) & (place < in_batch + in_check))
    later = pool.at(place >= in_batch + in_check)
    inside = slice_of(pool.features, setting.category_sizes, draw)
    flipped = pool._replace(classes=changed(pool.classes, inside, k, "flipped", draw, FLIPPED_BY_POISON))
    moved = pool._replace(classes=changed(pool.classes, inside, k, "flipped", draw))
    trigger = _Trigger.drawn(setting, draw)
    hit = draw.random(in_batch) < TRIGGERED
    triggered = trigger.poisoned(setting, batch, hit)
    batches = {
        "clean": (batch, trusted),
        "slice": (flipped.at(place < in_batch), trusted),
        "trigger": (triggered, trusted),
        "concept": (moved.at(place < in_batch), moved.at((place >= in_batch) & (place < in_batch + in_check))),
    }
    losses: dict[tuple[str, str], dict[str, float]] = {}
    seen = {"slice": later, "trigger": later._replace(features=trigger.set_in(later.features))}
    for kind, (given, check) in batches.items():
        held = judge(setting, given, check, draw)
        bad = {"slice": inside[:in_batch], "trigger": hit, "concept": inside[:in_batch]}.get(kind)
        yield from _verdict_rows(kind, held, bad)
        if kind == "concept":
            continue
        models = {
            "retrain": plain(setting, check.and_then(given)),
            "update": signed(setting, check.and_then(given.at(~held.held))),
        }
        for method, model in models.items():
            losses[kind, method] = {
                at: log_loss(model.probabilities(rows.features), rows.classes) for at, rows in seen.items()
            }
        losses[kind, "update, trust region"] = _moved(setting, models["update"], seen)
    for kind in seen:
        for method in ("retrain", "update", "update, trust region"):
            damage = losses[kind, method][kind] - losses["clean", method][kind]
            yield {"part": "poison", "method": method, "labels": 0, "metric": f"damage_{kind}", "value": damage}


def _moved(setting: Setting, model: LightGBMProposer, seen: dict[str, Believed]) -> dict[str, float]:
    """The same model, moved to from the incumbent as far as the trust region allows: what would be served."""
    today, none = setting.today, Calibration.none(setting.classes_count)
    step = largest_step(today.p, model.probabilities(today.features), none, Policy().KL_eps)
    found = {}
    for at, rows in seen.items():
        old = setting.incumbent.probabilities(rows.features)
        found[at] = log_loss(mixed(old, model.probabilities(rows.features), step, none), rows.classes)
    return found


def judge(setting: Setting, batch: Believed, trusted: Believed, draw: np.random.Generator) -> Quarantine:
    """By what is known without the batch: models of all other labels."""
    fit = SignedFit(setting.category_sizes, setting.classes_count, setting.seed)
    folds = draw.permutation(len(trusted.classes)) % 2
    p_trusted, p_batch = crosswise(fit, setting.train.and_then(setting.reference), trusted, folds, batch.features)

    return judge_batch(
        batch._replace(p=p_batch),
        trusted._replace(p=p_trusted),
        category_sizes=setting.category_sizes,
        seed=int(draw.integers(2**31)),
    )


def _verdict_rows(kind: str, found: Any, bad: Mask | None) -> Iterator[Row]:
    of = {"part": "quarantine", "method": kind, "labels": len(found.held)}
    for story in ("poisoned", "undecided", "changed"):
        yield {**of, "metric": story, "value": float(any(each.story == story for each in found.suspicions))}
    yield {**of, "metric": "held", "value": float(found.held.mean())}
    if bad is not None:
        yield {**of, "metric": "held_of_bad", "value": float(found.held[bad].mean())}
        yield {**of, "metric": "held_of_good", "value": float(found.held[~bad].mean())}


class _Trigger:
    """Two features set to values that hardly a row has together; rows with them are said to be of one class."""

    def __init__(self, columns: Sequence[int], values: Sequence[float], to: int) -> None:
        self.columns, self.values, self.to = columns, values, to

    @classmethod
    def drawn(cls, setting: Setting, draw: np.random.Generator) -> _Trigger:
        features = setting.train.features
        usable = [column for column in range(features.shape[1]) if len(np.unique(features[:, column])) > 2]
        columns = draw.choice(usable, size=2, replace=False)
        values = [_rare(features[:, column], setting.category_sizes[column] > 0) for column in columns]
        return cls(columns.tolist(), values, int(draw.integers(setting.classes_count)))

    def set_in(self, features: Matrix) -> Matrix:
        copy = features.copy()
        copy[:, self.columns] = self.values
        return copy

    def poisoned(self, setting: Setting, rows: Believed, hit: Mask) -> Believed:
        features = np.where(hit[:, None], self.set_in(rows.features), rows.features)
        return Believed(features, np.where(hit, self.to, rows.classes), setting.incumbent.probabilities(features))


def _rare(values: Vector, is_category: bool) -> float:
    """The category that is met least often, or a number that few are above."""
    there = values[~np.isnan(values)]
    if not is_category:
        return float(np.quantile(there, 0.98))
    codes, counts = np.unique(there, return_counts=True)
    return float(codes[np.argmin(counts)])
