"""From a labelled data file to a task that can be served: ingest, validate, train, evaluate, register, promote."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from dissonance.contracts.events import TaskCreated
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import FeatureSchema, Task
from dissonance.decisions.evidence.chain import GOLDEN_ROWS
from dissonance.decisions.rows import category_sizes
from dissonance.errors import EngineUnavailable, ModelNotFound, TaskExists, UnknownTask, WrongType
from dissonance.pipeline.anchoring import anchor
from dissonance.pipeline.data_file import (
    DataFile,
    Target,
    check_times,
    read_data_file,
    read_data_subjects,
    read_target,
    require_columns,
)
from dissonance.pipeline.delete_task import delete_task, remove_traces
from dissonance.pipeline.describing import describe
from dissonance.pipeline.evidence import Said, decided, evidence_of
from dissonance.pipeline.file_limits import MOST_BYTES
from dissonance.pipeline.golden_digest import golden_digest
from dissonance.pipeline.reference import digest_of, store_reference
from dissonance.pipeline.registration import FittedPair, RegisteredPair, register_pair
from dissonance.pipeline.schema_inference import encode_frame, infer_schema
from dissonance.pipeline.splitting import Parts, count_twins, refuse_leak, require_parts, split_rows, splits_of
from dissonance.pipeline.training import LabelledRows, Recipe, Score, critic_metrics, score
from dissonance.pipeline.workshop import Progress, Workshop, no_progress
from dissonance.ports.decisions import Decision
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Counts
from dissonance.science.dissonance import critic_distribution, dissonance
from dissonance.science.sceptic import Labelled, out_of_fold_confidence
from dissonance.science.thresholds import Caps, reference_thresholds

logger = logging.getLogger(__name__)

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
PRODUCER = "pipeline"
CREATED_BY = "task create"


class Columns(NamedTuple):
    """Names of columns of the data file; `categorical` and `numeric` override what is inferred."""

    target: str
    time: str | None = None
    data_subject: str | None = None
    categorical: Collection[str] = ()
    numeric: Collection[str] = ()


class CreatedTask(NamedTuple):
    """What `task create` did. `twins`: golden rows whose features equal those of a training row."""

    task: Task
    policy: Policy
    models: RegisteredPair
    train_rows: int
    critic_rows: int
    golden: Score
    twins: int


class _Prepared(NamedTuple):
    schema: FeatureSchema
    target: Target
    rows: LabelledRows
    data_subjects: list[str]
    parts: Parts
    source_digest: str


class _Fitted(NamedTuple):
    pair: FittedPair
    golden: Score
    policy: Policy
    twins: int


async def create_task(
    workshop: Workshop,
    *,
    name: str,
    data: Path,
    columns: Columns,
    policy: Policy | None = None,
    seed: int = 0,
    threads: int = 1,
    most_bytes: int = MOST_BYTES,
    estimator: Any = None,
    declared_types: Collection[str] = (),
    progress: Progress = no_progress,
) -> CreatedTask:
    """Create a task and put its first pair of models into production.

    `policy` gives the limits; its `D_target`, `max_dissonance` and `max_doubt` are caps on what the rows say.
    `most_bytes`: of memory that the rows of a Parquet file may take. `estimator`: a scikit-learn-compatible classifier
    with `predict_proba` in place of LightGBM; `declared_types`: types outside of numpy, scipy, scikit-learn and
    LightGBM that its file may hold.

    Raises `WrongType` (name), `InvalidDataFile`, `TaskExists`, `ConfigurationError` or `EngineUnavailable`; nothing
    is kept then. What is left when the process is killed is removed by the next call for the name.
    """
    _require_name(name)
    progress("ask the engines", 0.0)
    await _require_engines(workshop)
    async with workshop.store.claim(name):
        await _require_free(workshop, name)
        progress("read", 0.0)
        prepared = await asyncio.to_thread(_prepare, data, columns, seed, most_bytes)
        recipe = Recipe(category_sizes(prepared.schema), len(prepared.target.classes), seed, threads, estimator)
        limits = msgspec.structs.replace(policy or Policy(), version=1)
        fitted = await asyncio.to_thread(_fit, recipe, prepared, limits, tuple(declared_types), progress)
        task = Task(
            task_id=workshop.randomness.token(16).hex(),
            name=name,
            schema=prepared.schema,
            classes=prepared.target.classes,
            target=columns.target,
            created_at_us=workshop.clock.now_us(),
            source_digest=prepared.source_digest,
            time_column=columns.time,
            data_subject_column=columns.data_subject,
        )
        models = await _keep(workshop, task, fitted.policy, prepared, fitted.pair, progress)
        return CreatedTask(
            task=task,
            policy=fitted.policy,
            models=models,
            train_rows=len(prepared.parts.train),
            critic_rows=len(prepared.parts.critic),
            golden=fitted.golden,
            twins=fitted.twins,
        )


def _require_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise WrongType(
            f"'{name}' cannot name a task",
            where="task name",
            fix="use 1 to 63 lower-case letters, digits, - and _, starting with a letter or digit",
        )


async def _require_engines(workshop: Workshop) -> None:
    """Asked before the rows are read: whoever is not there when all is fitted costs minutes, and keeps nothing."""
    asked = {
        "the experience database": workshop.store.ready(),
        "NATS": workshop.bus.ready(),
        "MLflow": asyncio.to_thread(workshop.registry.ready),
    }
    answers = await asyncio.gather(*asked.values(), return_exceptions=True)
    for name, answer in zip(asked, answers, strict=True):
        if isinstance(answer, EngineUnavailable):
            raise EngineUnavailable(
                f"{name} does not answer, so nothing was read or fitted ({answer.what})",
                where=answer.where,
                fix="wait until `dissonance up` says that all is ready (`dissonance status` tells), then repeat this",
            ) from answer
        if isinstance(answer, BaseException):
            raise answer


async def _require_free(workshop: Workshop, name: str) -> None:
    """Raises `TaskExists`. What a creation left that was killed before it could clean up is removed."""
    try:
        known = await workshop.store.by_name(name)
    except UnknownTask:
        return
    if not await _is_remnant(workshop, known):
        raise TaskExists(f"a task is named '{name}'", where="task name", fix="choose another name, or delete the task")
    logger.warning("removing what is left of a creation of '%s' that was cut short", name)
    await delete_task(workshop, name)


async def _is_remnant(workshop: Workshop, task: Task) -> bool:
    """Never served, and nothing was ever learnt. Whoever asks has the claim to the name, so nobody works on it."""
    if await workshop.store.counts(task.task_id) != Counts(0, 0, 0):
        return False
    try:
        await asyncio.to_thread(workshop.registry.production, task.task_id, ModelRole.PROPOSER)
    except ModelNotFound:
        return True
    return False


def _prepare(path: Path, columns: Columns, seed: int, most_bytes: int) -> _Prepared:
    data: DataFile = read_data_file(path, most_bytes)
    require_columns(data.frame, target=columns.target, time_column=columns.time, data_subject=columns.data_subject)
    target = read_target(data.frame, columns.target)
    check_times(data.frame, columns.time)
    data_subjects = read_data_subjects(data, columns.data_subject)
    beside = {name for name in (columns.target, columns.time, columns.data_subject) if name is not None}
    schema = infer_schema(data.frame, beside, columns.categorical, columns.numeric)
    parts = split_rows(data_subjects, target.indices, seed)
    require_parts(parts, target.indices)
    golden = frozenset(data_subjects[row] for row in parts.golden)
    others = [*parts.train.tolist(), *parts.critic.tolist()]
    refuse_leak(parts.golden.tolist(), golden, others, [data_subjects[row] for row in others])
    rows = LabelledRows(encode_frame(schema, data.frame), target.indices)
    return _Prepared(schema, target, rows, data_subjects, parts, data.digest)


def _fit(
    recipe: Recipe, prepared: _Prepared, limits: Policy, declared_types: tuple[str, ...], progress: Progress
) -> _Fitted:
    train, held, golden = (prepared.rows.at(part) for part in prepared.parts)
    proposer = recipe.fit_proposer(train, lambda share: progress("fit the proposer", share))
    progress("fit the critic", 0.0)
    doubted = Labelled(held.features, proposer.probabilities(held.features), held.classes)
    critic = recipe.fit_critic(doubted)
    confidences = out_of_fold_confidence(doubted, category_sizes=recipe.category_sizes, seed=recipe.seed)
    thresholds = reference_thresholds(
        dissonance(doubted.p, critic_distribution(doubted.p, confidences)),
        1.0 - confidences,
        window_rows=limits.window_rows,
        caps=Caps(limits.D_target, limits.max_dissonance, limits.max_doubt),
        seed=recipe.seed,
    )
    policy = msgspec.structs.replace(
        limits, D_target=thresholds.target, max_dissonance=thresholds.maximum, max_doubt=thresholds.doubt
    )
    progress("evaluate on the golden rows", 0.0)
    golden_score = score(proposer, golden)
    pair = FittedPair(
        proposer=proposer,
        critic=critic,
        proposer_metrics={**golden_score.metrics, "train_rows": float(len(train.classes))},
        critic_metrics={**critic_metrics(critic, proposer, golden), "fitted_rows": float(len(held.classes))},
        parameters=recipe.parameters,
        data_digest=digest_of(train),
        declared_types=declared_types,
        described=describe(prepared.schema, proposer, golden, policy),
    )
    return _Fitted(pair, golden_score, policy, count_twins(golden.features, train.features))


async def _keep(
    workshop: Workshop, task: Task, policy: Policy, prepared: _Prepared, pair: FittedPair, progress: Progress
) -> RegisteredPair:
    """All of it, or none: what was written is taken back when a later step fails or is interrupted."""
    kept, registering = False, False
    try:
        await workshop.store.create(task, policy)
        sealing = partial(progress, "seal the rows")
        await store_reference(workshop, task, prepared.rows, splits_of(prepared.parts), prepared.data_subjects, sealing)
        progress("register the models", 0.0)
        await asyncio.to_thread(workshop.registry.ready)  # away here, it has nothing that could remain
        registering = True
        models = await asyncio.to_thread(register_pair, workshop, task, pair)
        progress("put into production", 0.0)
        await workshop.store.record_decision(await _first_promotion(workshop, task, policy, models))
        await asyncio.to_thread(workshop.registry.promote, models.critic)
        await asyncio.to_thread(workshop.registry.promote, models.proposer)
        await workshop.bus.publish(
            [
                TaskCreated(
                    event_id=f"created-{task.task_id}",
                    task_id=task.task_id,
                    produced_at_us=workshop.clock.now_us(),
                    producer=PRODUCER,
                    name=task.name,
                )
            ]
        )
        kept = True
    finally:
        if not kept:
            await remove_traces(workshop, task.task_id, models=registering)
    await anchor(workshop, task)
    progress("done", 1.0)
    return models


async def _first_promotion(workshop: Workshop, task: Task, policy: Policy, models: RegisteredPair) -> Decision:
    """Nothing judged the first version: there was none to hold it against."""
    return await decided(
        workshop,
        task,
        Said(DecisionKind.PROMOTED, f"created-{task.task_id}", CREATED_BY, "the first version"),
        candidate=evidence_of(models.proposer, critic_digest=models.critic.digest),
        incumbent=None,
        production=models.proposer.version,
        policy=policy,
        event_time_us=workshop.clock.now_us(),
        digests={GOLDEN_ROWS: await golden_digest(workshop, task)},
    )
