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
from dissonance.errors import ModelNotRenewable
from dissonance.errors_of_updates import HoldoutEmpty
from dissonance.pipeline.describing import describe
from dissonance.pipeline.mature_window import mature_window
from dissonance.pipeline.moving import Unseen, can_move_from, move
from dissonance.pipeline.quarantining import Asked, Sorted, answered, batches_of, random_check, sort_out
from dissonance.pipeline.reference import (
    OpenedRows,
    digest_of,
    kept_from_updates,
    open_experience,
    open_reference,
    without,
)
from dissonance.pipeline.registration import FittedPair, RegisteredPair, register_pair
from dissonance.pipeline.splitting import refuse_leak
from dissonance.pipeline.training import LabelledRows, Proposer, Recipe, Score, critic_metrics, score
from dissonance.pipeline.workshop import Progress, Workshop, no_progress
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Split
from dissonance.science.blend import BlendProposer
from dissonance.science.density import density_ratio
from dissonance.science.estimators import EstimatorProposer
from dissonance.science.mixing import mixed
from dissonance.science.proposer import Grow
from dissonance.science.renewal import Believed, Renewed, crosswise, renew
from dissonance.science.sceptic import Labelled

FOLDS = 2
LEAST_UNSEEN = 100
"""Fewer fresh labels are not what an update is judged by."""


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


class Material(NamedTuple):
    """All rows of an update. `checks`: the whole critic's split, which labels are held against; `window` (n, d)."""

    train: OpenedRows
    critic: OpenedRows
    checks: OpenedRows
    golden: OpenedRows
    experience: OpenedRows
    golden_excluded: int
    window: NDArray[np.float64]
    asked: Asked


async def retrain(
    workshop: Workshop,
    name: str,
    *,
    seed: int = 0,
    threads: int = 1,
    progress: Progress = no_progress,
) -> Retrained:
    """Fit on the reference rows and all admitted, labelled experience that is not held back as suspected poison,
    calibrate out of fold, move from the incumbent as far as the policy allows, and register the candidate.

    Raises `UnknownTask`, `HoldoutLeak`, `ModelNotFound`, `ModelRefused`, `ModelNotRenewable`,
    `HoldoutEmpty` or `EngineUnavailable`.
    """
    task = await workshop.store.by_name(name)
    progress("open the rows", 0.0)
    production = await asyncio.to_thread(workshop.registry.production, task.task_id, ModelRole.PROPOSER)
    incumbent = await asyncio.to_thread(load_pair, workshop.registry, workshop.artefact_keys, task, production)
    material = await gather(workshop, task)
    policy = await workshop.store.policy(task.task_id)
    recipe = recipe_of(task, incumbent, seed, threads)
    pair, candidate_score, numbers = await asyncio.to_thread(fit, recipe, material, incumbent, policy, progress)
    described = await asyncio.to_thread(describe, task.schema, pair.proposer, material.golden.rows, policy)
    pair = pair._replace(described=described)
    progress("register the models", 0.0)
    models = await asyncio.to_thread(register_pair, workshop, task, pair)
    progress("done", 1.0)
    return Retrained(
        task=task,
        models=models,
        incumbent_version=production.version,
        incumbent=score(incumbent.proposer, material.golden.rows),
        candidate=candidate_score,
        experience_rows=int(pair.proposer_metrics["experience_rows"]),
        golden_excluded=material.golden_excluded,
        erased=material.train.erased + material.critic.erased + material.experience.erased,
        numbers=numbers,
    )


async def gather(workshop: Workshop, task: Task) -> Material:
    """Raises as `retrain` does."""
    train = await open_reference(workshop, task, Split.TRAIN)
    whole = await open_reference(workshop, task, Split.CRITIC)
    critic = whole.only([i for i, each in enumerate(whole.data_subjects) if not kept_from_updates(each)])
    golden = await open_reference(workshop, task, Split.GOLDEN)
    if not golden.row_numbers:
        raise HoldoutEmpty(
            "the golden holdout has no rows left to judge a model by",
            where="golden holdout",
            fix=f"seal fresh ones: dissonance task golden {task.name} --data FILE",
        )
    # Of erased golden rows too: whoever was in the holdout stays out of training.
    golden_data_subjects = await workshop.store.golden_data_subjects(task.task_id)
    everything = await open_experience(workshop, task)
    experience = without(everything, golden_data_subjects)
    refuse_leak(
        golden.row_numbers,
        golden_data_subjects,
        [*train.row_numbers, *whole.row_numbers],
        [*train.data_subjects, *whole.data_subjects, *experience.data_subjects],
    )
    excluded = len(everything.data_subjects) - len(experience.data_subjects)
    asked = await answered(workshop, task, experience)
    window = (await mature_window(workshop, task)).features
    return Material(train, critic, whole, golden, experience, excluded, window, asked)


def fit(
    recipe: Recipe, material: Material, incumbent: LoadedPair, policy: Policy, progress: Progress
) -> tuple[FittedPair, Score, dict[str, float]]:
    """The same rows, incumbent, policy and recipe make the same files. Blocking."""
    golden = material.golden.rows
    train, reference, checks = (
        _believed(incumbent, each.rows) for each in (material.train, material.critic, material.checks)
    )
    progress("sort out the labels", 0.0)
    # Whom a label is held against may know all: that model is never served.
    sorted_out = _sorted_out(recipe, material, train.and_then(checks), incumbent)
    experience = material.experience.only(sorted_out.kept)
    fresh = _believed(incumbent, experience.rows)
    progress("fit the proposer", 0.0)
    ratio = density_ratio(reference.features, material.window, category_sizes=recipe.category_sizes, seed=recipe.seed)
    folds = [
        _folds(opened.data_subjects, recipe.seed + number)
        for number, opened in enumerate((material.critic, experience))
    ]
    # Below one half the window is made of the reference rows themselves, and the ratio says nothing.
    weights = ratio.weights if ratio.auc > 0.5 else np.ones(len(ratio.weights))
    new = renew(recipe.update, train, reference, fresh, weights=weights, folds=(folds[0], folds[1]))
    progress("move from the incumbent", 0.0)
    unseen = _unseen(experience, fresh, reference, new, incumbent)
    moved = move(incumbent.proposer, incumbent.critic, new.model, new.calibration, unseen, material.window, policy)
    progress("fit the critic", 0.0)
    doubted = reference.and_then(fresh)
    answered = np.concatenate((new.p_reference, new.p_fresh))
    critic = recipe.fit_critic(
        Labelled(doubted.features, mixed(doubted.p, answered, moved.step, moved.calibration), doubted.classes)
    )
    candidate = score(moved.proposer, golden)
    learnt = material.train.rows + material.critic.rows + experience.rows
    numbers = {
        **moved.numbers,
        **sorted_out.numbers,
        # Those held back too: they are no reason to train again.
        "labels": float(len(material.experience.data_subjects)),
        "density_power": ratio.power,
        "domain_auc": ratio.auc,
    }
    pair = FittedPair(
        proposer=moved.proposer,
        critic=critic,
        proposer_metrics={
            **candidate.metrics,
            **numbers,
            "train_rows": float(len(learnt.classes)),
            "experience_rows": float(len(experience.data_subjects)),
        },
        critic_metrics={**critic_metrics(critic, moved.proposer, golden), "fitted_rows": float(len(doubted.classes))},
        parameters=recipe.parameters,
        data_digest=digest_of(learnt),
        parent=incumbent.version,
        declared_types=incumbent.artefact.manifest.trusted_types,
    )
    return pair, candidate, numbers


def _believed(incumbent: LoadedPair, rows: LabelledRows) -> Believed:
    return Believed(rows.features, rows.classes, incumbent.proposer.probabilities(rows.features))


def _sorted_out(recipe: Recipe, material: Material, old: Believed, incumbent: LoadedPair) -> Sorted:
    """By a model of all labels that nobody could choose; nothing is fitted while no batch is large enough to judge."""
    experience, asked = material.experience, material.asked
    if not batches_of(experience, asked):
        return Sorted(list(range(len(experience.data_subjects))), 0, 0)
    checked = random_check(experience, asked)
    trusted = experience.only(checked)
    folds = _folds(trusted.data_subjects, recipe.seed)
    own, p = crosswise(recipe.update, old, _believed(incumbent, trusted.rows), folds, experience.rows.features)
    p[checked] = own
    return sort_out(experience, asked, p, category_sizes=recipe.category_sizes, seed=recipe.seed)


def _unseen(
    experience: OpenedRows, fresh: Believed, reference: Believed, new: Renewed[Proposer], incumbent: LoadedPair
) -> Unseen:
    """What neither model has learnt: rows that the incumbent itself answered (it was made before); the critic's
    reference rows while those are few."""
    answered = np.array(
        [each == incumbent.version.digest for each in experience.provenance.model_digests], dtype=np.bool_
    )
    if answered.sum() >= LEAST_UNSEEN:
        rows = fresh.at(answered)
        return Unseen(LabelledRows(rows.features, rows.classes), new.p_fresh[answered], fresh=True)
    return Unseen(LabelledRows(reference.features, reference.classes), new.p_reference)


def _folds(data_subjects: list[bytes], seed: int) -> NDArray[np.int64]:
    """Two folds; rows of one data subject are in one fold, unless nearly all rows are about one (or nobody)."""
    if not data_subjects:
        return np.array([], dtype=np.int64)
    _, group = np.unique(np.array(data_subjects, dtype="S16"), return_inverse=True)
    generator = np.random.default_rng(seed)
    largest = int(np.bincount(group).max())
    units = group if largest <= len(group) // 2 else np.arange(len(group))
    return np.asarray(generator.permutation(int(units.max()) + 1)[units] % FOLDS)


def recipe_of(task: Task, incumbent: LoadedPair, seed: int, threads: int, grow: Grow | None = None) -> Recipe:
    """An update is of the kind that the incumbent is. Raises `ModelNotRenewable`."""
    if not can_move_from(incumbent.proposer):
        raise ModelNotRenewable(
            f"version {incumbent.version.version} was registered from a file",
            where="model in production",
            fix="train its successor where it was made: dissonance models register",
        )
    estimator = _template(incumbent.proposer)
    return Recipe(category_sizes(task.schema), len(task.classes), seed, threads, estimator, grow)


def _template(proposer: Any) -> Any:
    return proposer.template if isinstance(proposer, EstimatorProposer | BlendProposer) else None
