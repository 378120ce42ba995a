"""An update: a new pair from the reference rows and all labelled experience, moved from the incumbent within the trust
region (design section 5). A candidate until it is promoted."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.decisions.pairs import LoadedPair, load_pair
from dissonance.decisions.rows import category_sizes
from dissonance.errors import GateRefused
from dissonance.pipeline.mature_window import mature_window
from dissonance.pipeline.moving import Unseen, move
from dissonance.pipeline.reference import OpenedRows, digest_of, open_experience, open_reference, without
from dissonance.pipeline.registration import FittedPair, RegisteredPair, register_pair
from dissonance.pipeline.splitting import refuse_leak
from dissonance.pipeline.training import (
    Recipe,
    Score,
    critic_metrics,
    out_of_fold_probabilities,
    score,
)
from dissonance.pipeline.workshop import Progress, Workshop, no_progress
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Split
from dissonance.science.blend import BlendProposer
from dissonance.science.estimators import EstimatorProposer
from dissonance.science.mixing import mixed

FOLDS = 2
MIN_FOLD_ROWS = 50
"""Less labelled experience than twice this cannot be cross-fitted and is left out of the critic."""


class Retrained(NamedTuple):
    """`experience_rows` were learnt from; `golden_excluded` were not, being about data subjects of the golden
    holdout, nor were `erased` ones. Both scores are on the same golden rows. `numbers`: see `CandidateRegistered`."""

    task: Task
    models: RegisteredPair
    incumbent_version: int
    incumbent: Score
    candidate: Score
    experience_rows: int
    golden_excluded: int
    erased: int
    numbers: dict[str, float]


class _Material(NamedTuple):
    train: OpenedRows
    critic: OpenedRows
    golden: OpenedRows
    experience: OpenedRows
    golden_excluded: int
    window: NDArray[np.float64]


async def retrain(
    workshop: Workshop,
    name: str,
    *,
    seed: int = 0,
    threads: int = 1,
    progress: Progress = no_progress,
) -> Retrained:
    """Fit on the training rows and all admitted, labelled experience (weight 1 each), calibrate, move from the
    incumbent as far as the policy allows, and register the candidate.

    Raises `UnknownTask`, `HoldoutLeak`, `ModelNotFound`, `ModelRefused`, `GateRefused` (no golden row is left) or
    `EngineUnavailable`.
    """
    task = await workshop.store.by_name(name)
    progress("open the rows", 0.0)
    material = await _gather(workshop, task)
    production = await asyncio.to_thread(workshop.registry.production, task.task_id, ModelRole.PROPOSER)
    incumbent = await asyncio.to_thread(load_pair, workshop.registry, workshop.artefact_keys, task, production)
    policy = await workshop.store.policy(task.task_id)
    recipe = Recipe(
        category_sizes(task.schema), len(task.classes), seed, threads, estimator=_template(incumbent.proposer)
    )
    pair, candidate_score, numbers = await asyncio.to_thread(_fit, recipe, material, incumbent, policy, progress)
    progress("register the models", 0.0)
    models = await asyncio.to_thread(register_pair, workshop, task, pair)
    progress("done", 1.0)
    return Retrained(
        task=task,
        models=models,
        incumbent_version=production.version,
        incumbent=score(incumbent.proposer, material.golden.rows),
        candidate=candidate_score,
        experience_rows=len(material.experience.data_subjects),
        golden_excluded=material.golden_excluded,
        erased=material.train.erased + material.critic.erased + material.experience.erased,
        numbers=numbers,
    )


async def _gather(workshop: Workshop, task: Task) -> _Material:
    train = await open_reference(workshop, task, Split.TRAIN)
    critic = await open_reference(workshop, task, Split.CRITIC)
    golden = await open_reference(workshop, task, Split.GOLDEN)
    if not golden.row_numbers:
        raise GateRefused(
            "the golden holdout has no rows left to judge a model by",
            where="golden holdout",
            fix="create the task anew from a larger file",
        )
    # Of erased golden rows too: whoever was in the holdout stays out of training.
    golden_data_subjects = await workshop.store.golden_data_subjects(task.task_id)
    everything = await open_experience(workshop, task)
    experience = without(everything, golden_data_subjects)
    refuse_leak(
        golden.row_numbers,
        golden_data_subjects,
        [*train.row_numbers, *critic.row_numbers],
        [*train.data_subjects, *critic.data_subjects, *experience.data_subjects],
    )
    excluded = len(everything.data_subjects) - len(experience.data_subjects)
    return _Material(train, critic, golden, experience, excluded, await mature_window(workshop, task))


def _fit(
    recipe: Recipe, material: _Material, incumbent: LoadedPair, policy: Policy, progress: Progress
) -> tuple[FittedPair, Score, dict[str, float]]:
    learnt, golden = material.train.rows + material.experience.rows, material.golden.rows
    fitted = recipe.fit_proposer(learnt, lambda share: progress("fit the proposer", share))
    progress("move from the incumbent", 0.0)
    reference = Unseen(material.critic.rows, fitted.probabilities(material.critic.rows.features))
    fresh = _out_of_fold(recipe, material)
    moved = move(incumbent.proposer, incumbent.critic, fitted, reference, fresh, material.window, policy)
    progress("fit the critic", 0.0)
    doubted = reference.rows + fresh.rows
    before = incumbent.proposer.probabilities(doubted.features)
    answered = np.vstack((reference.probabilities, fresh.probabilities))
    critic = recipe.fit_critic(doubted, mixed(before, answered, moved.step, moved.calibration))
    candidate = score(moved.proposer, golden)
    experience_rows = float(len(material.experience.data_subjects))
    numbers = {**moved.numbers, "labels": experience_rows}
    pair = FittedPair(
        proposer=moved.proposer,
        critic=critic,
        proposer_metrics={
            **candidate.metrics,
            **numbers,
            "train_rows": float(len(learnt.classes)),
            "experience_rows": experience_rows,
        },
        critic_metrics={**critic_metrics(critic, moved.proposer, golden), "fitted_rows": float(len(doubted.classes))},
        parameters=recipe.parameters,
        data_digest=digest_of(learnt),
        parent=incumbent.version,
        declared_types=incumbent.artefact.manifest.trusted_types,
    )
    return pair, candidate, numbers


def _out_of_fold(recipe: Recipe, material: _Material) -> Unseen:
    """Labelled experience with answers of proposers that did not see it; nothing while there is too little."""
    experience = material.experience
    if len(experience.data_subjects) < FOLDS * MIN_FOLD_ROWS:
        nothing = experience.rows.at(np.array([], dtype=np.int64))
        return Unseen(nothing, np.empty((0, recipe.classes_count)))
    folds = _folds(experience.data_subjects, recipe.seed)
    return Unseen(experience.rows, out_of_fold_probabilities(recipe, material.train.rows, experience.rows, folds))


def _folds(data_subjects: list[bytes], seed: int) -> NDArray[np.int64]:
    """Two folds; rows of one data subject are in one fold, unless nearly all rows are about one (or nobody)."""
    _, group = np.unique(np.array(data_subjects, dtype="S16"), return_inverse=True)
    generator = np.random.default_rng(seed)
    largest = int(np.bincount(group).max())
    units = group if largest <= len(group) // 2 else np.arange(len(group))
    return np.asarray(generator.permutation(int(units.max()) + 1)[units] % FOLDS)


def _template(proposer: Any) -> Any:
    return proposer.template if isinstance(proposer, EstimatorProposer | BlendProposer) else None
