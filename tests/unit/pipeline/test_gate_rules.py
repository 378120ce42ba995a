"""For every rule of the gate a candidate that it alone refuses, judged as every candidate is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from dissonance.contracts.events import CandidateRegistered, UpdateJudged
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.pairs import find_version
from dissonance.decisions.updates.verdict import RULES
from dissonance.errors import ModelRefused
from dissonance.pipeline.judging import judge
from dissonance.pipeline.promotion import promote
from dissonance.ports.registry import ModelRole
from support.candidates import Bench
from support.workshop import updated_task

Matrix = NDArray[np.float64]

KIND = 2
"""The task's column of categories."""

ANYTHING: dict[str, Any] = {
    "golden_drop_max": 1.0,
    "KL_eps": 100.0,
    "slice_drop_max": 1.0,
    "calibration_rise_max": 1.0,
    "flip_rise_max": 1.0,
    "perturbed_drop_max": 1.0,
}
"""A policy that lets every answer pass, for a candidate that is worse in one way only."""


def reversed_where(inside: Callable[[Matrix], NDArray[np.bool_]]) -> Callable[[Matrix, Matrix], Matrix]:
    return lambda features, p: np.where(inside(features)[:, np.newaxis], p[:, ::-1], p)


def among(rows: Matrix) -> Callable[[Matrix], NDArray[np.bool_]]:
    """Whether a row is one of these, to the bit."""
    known = {row.tobytes() for row in rows}
    return lambda features: np.array([row.tobytes() in known for row in features], dtype=np.bool_)


def refusing(judged: UpdateJudged) -> list[str]:
    return [finding.rule for finding in judged.findings if not finding.holds]


def golden_lost(bench: Bench) -> UpdateJudged:
    """Some golden rows that were right are answered wrongly."""
    golden = bench.golden
    p = bench.incumbent.proposer.probabilities(golden.features)
    right = np.flatnonzero(p.argmax(axis=1) == golden.classes)
    barely = right[np.argsort(p[right].max(axis=1))[:5]]
    wrong = bench.candidate(reversed_where(among(golden.features[barely])))
    return bench.judge(wrong, calibration_rise_max=1.0)


def moved_far(bench: Bench) -> UpdateJudged:
    """Less sure of everything, with the same answers."""
    return bench.judge(bench.candidate(lambda _, p: 0.5 + (p - 0.5) * 0.3), calibration_rise_max=1.0)


def slice_lost(bench: Bench) -> UpdateJudged:
    """One category is answered the wrong way round."""
    wrong = bench.candidate(reversed_where(lambda features: features[:, KIND] == 1))
    return bench.judge(wrong, **{**ANYTHING, "slice_drop_max": 0.05, "slice_rows_min": 20})


def too_sure(bench: Bench) -> UpdateJudged:
    """The same answers, all of them certain."""
    return bench.judge(bench.candidate(lambda _, p: np.eye(2)[p.argmax(axis=1)] * 0.98 + 0.01), KL_eps=100.0)


def fresh_labels_lost(bench: Bench) -> UpdateJudged:
    said = {"held_out_rise": 0.1, "held_out_rise_error": 0.05, "held_out_rows": 200.0}
    return bench.judge(bench.candidate(metrics=said))


def brittle(bench: Bench) -> UpdateJudged:
    """It knows golden rows and those of the window by heart, and is wrong about all others."""
    known = among(np.vstack((bench.golden.features, bench.window)))
    return bench.judge(bench.candidate(reversed_where(lambda features: ~known(features))))


def slow(bench: Bench) -> UpdateJudged:
    return bench.judge(bench.candidate(took_s=0.1))


def large(bench: Bench) -> UpdateJudged:
    files = bench.incumbent.artefact.files | {"notes.txt": bytes(1_000_000)}
    candidate = bench.candidate()._replace(artefact=msgspec.structs.replace(bench.incumbent.artefact, files=files))
    return bench.judge(candidate, model_bytes_max=1_000_000)


def classes_in_another_order(bench: Bench) -> UpdateJudged:
    manifest = msgspec.structs.replace(bench.incumbent.artefact.manifest, classes=("yes", "no"))
    artefact = msgspec.structs.replace(bench.incumbent.artefact, manifest=manifest)
    return bench.judge(bench.candidate()._replace(artefact=artefact))


def unfair(bench: Bench) -> UpdateJudged:
    """All of one group get the same answer."""
    favoured = bench.candidate(lambda features, p: np.where(features[:, [KIND]] == 1, [0.1, 0.9], p))
    return bench.judge(favoured, **ANYTHING, sensitive_columns="kind", slice_rows_min=20)


def worn_out(bench: Bench) -> UpdateJudged:
    bench.judge(bench.candidate())
    other = bench.candidate()
    version = msgspec.structs.replace(other.version, digest="3" * 64)
    return bench.judge(other._replace(version=version), holdout_uses_max=1)


WORSE = {
    "GoldenNonInferiority": golden_lost,
    "KLBound": moved_far,
    "NoSliceWorse": slice_lost,
    "CalibrationNotWorse": too_sure,
    "HeldOutLossNotWorse": fresh_labels_lost,
    "RobustToNoise": brittle,
    "LatencyWithin": slow,
    "SizeWithin": large,
    "SignedForTask": classes_in_another_order,
    "FairnessNotWorse": unfair,
    "HoldoutFresh": worn_out,
}


def test_every_rule_has_a_candidate_that_it_refuses() -> None:
    assert list(WORSE) == [type(rule).__name__ for rule in RULES]


@pytest.mark.parametrize("rule", WORSE)
def test_a_candidate_that_is_worse_in_one_way_is_refused_by_that_rule_alone(rule: str) -> None:
    judged = WORSE[rule](Bench())
    assert (refusing(judged), judged.verdict) == ([rule], UpdateVerdict.REFUSED)


def test_a_candidate_that_is_what_is_in_production_passes_every_rule() -> None:
    bench = Bench()
    # So few golden rows, looked at by each test of this page, prove little more than that.
    judged = bench.judge(bench.candidate(), sensitive_columns="kind", slice_rows_min=20, golden_drop_max=0.05)
    assert (refusing(judged), judged.verdict) == ([], UpdateVerdict.ACCEPTED)


def test_a_candidate_that_answers_with_what_is_no_probability_is_refused_and_recorded() -> None:
    bench = Bench()
    judged = bench.judge(bench.candidate(lambda features, p: np.full_like(p, np.nan)))
    assert (refusing(judged), judged.verdict) == (["SignedForTask"], UpdateVerdict.REFUSED)
    assert "version 2 answers with what is no probability" in judged.findings[0].what


def test_a_candidate_whose_bytes_changed_is_refused_and_recorded_and_never_run() -> None:
    work, task = updated_task()
    stored = work.registry._models[task.task_id, ModelRole.PROPOSER].artefacts
    stored[1] = stored[1][:-1] + bytes([stored[1][-1] ^ 1])
    announced = CandidateRegistered(
        event_id="made",
        task_id=task.task_id,
        produced_at_us=0,
        producer="a test",
        version=2,
        model_digest=find_version(work.registry, task, 2).digest,
        parent_version=1,
        reason="a test",
        numbers={},
    )
    (judged,) = asyncio.run(judge(work, announced))
    assert isinstance(judged, UpdateJudged)
    assert (refusing(judged), judged.verdict) == (["SignedForTask"], UpdateVerdict.REFUSED)
    assert asyncio.run(judge(work, announced)) == [judged]
    assert asyncio.run(work.store.updates(task.task_id)) == [judged]
    with pytest.raises(ModelRefused):
        asyncio.run(promote(work, "small", 2, by="a test", override="an override opens nothing"))
    assert work.registry.production(task.task_id, ModelRole.PROPOSER).version == 1


def test_while_no_window_is_full_the_gate_says_that_it_measured_on_reference_rows() -> None:
    bench = Bench()
    (finding,) = [each for each in bench.judge(bench.candidate()).findings if each.rule == "KLBound"]
    assert f"{len(bench.window)} reference rows" in finding.what
