"""A model that was made elsewhere becomes a candidate: LightGBM's text, ONNX or skops, never a pickle."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import FeatureKind, Task
from dissonance.contracts.unreadable import UNREADABLE
from dissonance.decisions.models import Proposer
from dissonance.decisions.onnx_proposer import OnnxProposer
from dissonance.decisions.rows import category_sizes
from dissonance.errors import InputError, ModelMisfit, ModelUnsupported
from dissonance.errors_of_updates import HoldoutEmpty
from dissonance.pipeline.aliases import production_version
from dissonance.pipeline.describing import describe
from dissonance.pipeline.reference import kept_from_updates, open_reference
from dissonance.pipeline.registration import FittedPair, OnnxFile, RegisteredPair, register_pair
from dissonance.pipeline.training import LabelledRows, Recipe, Score, critic_metrics, score
from dissonance.pipeline.workshop import Progress, Workshop, no_progress
from dissonance.ports.registry import BESIDE, ELSEWHERE, MADE, ModelVersion
from dissonance.ports.store import Split
from dissonance.science.estimators import EstimatorProposer, adopt_estimator
from dissonance.science.proposer import LightGBMProposer
from dissonance.science.sceptic import Labelled
from dissonance.science.tree_check import sound_text
from dissonance.security.artefacts import refuse_pickles

FORMATS = {".txt": "LightGBM text", ".onnx": "ONNX", ".skops": "skops"}
"""By the end of a file's name."""

PANDAS_CATEGORIES = "pandas_categorical:"
UNNAMED = "Column_"
"""How LightGBM calls columns that had no name."""


class Adopted(NamedTuple):
    """`format` of the file; `golden`: what the model scores on rows that we kept. Whether it was trained on them,
    nobody here can know."""

    task: Task
    models: RegisteredPair
    format: str
    incumbent_version: int
    golden: Score
    critic_rows: int


class _Rows(NamedTuple):
    critic: LabelledRows
    golden: LabelledRows


async def register_file(
    workshop: Workshop, name: str, file: Path, *, seed: int = 0, progress: Progress = no_progress
) -> Adopted:
    """Open the file, fit a critic for it on the critic's reference rows, and register both. It serves nobody until it
    is promoted, through the gate as every candidate.

    The model takes the task's matrix: columns in the order of the schema, a category as its place among the schema's
    categories from 0 on, NaN where a value is missing; it answers with a probability for each class in the task's
    order. Raises `InputError`, `ModelUnsupported`, `ModelMisfit`, `ModelRefused`, `HoldoutEmpty`, `UnknownTask`,
    `ModelNotFound` or `EngineUnavailable`; nothing is kept then.
    """
    task = await workshop.store.by_name(name)
    content = await asyncio.to_thread(_read, file)
    progress("open the rows", 0.0)
    critic = await open_reference(workshop, task, Split.CRITIC)
    fitting = critic.only([i for i, each in enumerate(critic.data_subjects) if not kept_from_updates(each)])
    rows = _Rows(fitting.rows, (await open_reference(workshop, task, Split.GOLDEN)).rows)
    if not len(rows.golden.classes):
        raise HoldoutEmpty(
            "the golden holdout has no rows left to judge a model by",
            where="golden holdout",
            fix=f"seal fresh ones: dissonance task golden {task.name} --data FILE",
        )
    incumbent = await production_version(workshop, task)
    progress("fit the critic", 0.0)
    policy = await workshop.store.policy(task.task_id)
    pair, golden = await asyncio.to_thread(_fitted, task, file.suffix, content, rows, incumbent, policy, seed)
    progress("register the models", 0.0)
    models = await asyncio.to_thread(register_pair, workshop, task, pair)
    progress("done", 1.0)
    return Adopted(task, models, FORMATS[file.suffix], incumbent.version, golden, len(rows.critic.classes))


def _read(file: Path) -> bytes:
    if file.suffix not in FORMATS:
        raise ModelUnsupported(
            f"'{file.name}' is no model file that is loaded",
            where="model file",
            fix="give a LightGBM text (.txt), ONNX (.onnx) or skops (.skops) file; a pickle would run code",
        )
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"the model file cannot be read: {error.strerror or error}", where=str(file), fix="name another file"
        ) from error
    refuse_pickles({file.name: content})
    return content


def _fitted(
    task: Task, suffix: str, content: bytes, rows: _Rows, incumbent: ModelVersion, policy: Policy, seed: int
) -> tuple[FittedPair, Score]:
    recipe = Recipe(category_sizes(task.schema), len(task.classes), seed)
    stored, proposer = _opened(task, suffix, content)
    p = proposer.probabilities(rows.critic.features)
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ModelMisfit(
            "the model was refused: it answers with numbers that are no probabilities",
            where="model file",
            fix="train it as a classifier: LightGBM with the objective binary or multiclass",
        )
    critic = recipe.fit_critic(Labelled(rows.critic.features, p, rows.critic.classes))
    golden = score(proposer, rows.golden)
    pair = FittedPair(
        proposer=stored,
        critic=critic,
        proposer_metrics=golden.metrics,
        critic_metrics={
            **critic_metrics(critic, proposer, rows.golden),
            "fitted_rows": float(len(rows.critic.classes)),
        },
        parameters={
            "model": FORMATS[suffix],
            MADE: ELSEWHERE,
            BESIDE: str(incumbent.version),
            "file_sha256": hashlib.sha256(content).hexdigest(),
        },
        data_digest="",
        described=describe(task.schema, proposer, rows.golden, policy),
    )
    return pair, golden


def _opened(
    task: Task, suffix: str, content: bytes
) -> tuple[LightGBMProposer | EstimatorProposer | OnnxFile, Proposer]:
    """What is stored, and what answers."""
    k = len(task.classes)
    if suffix == ".onnx":
        return OnnxFile(content), OnnxProposer.from_bytes(content, k)
    if suffix == ".skops":
        estimator = adopt_estimator(content, k)
        return estimator, estimator
    text = content.decode("utf-8", "replace")
    trees = LightGBMProposer.from_text(sound_text(text), k)
    _require_columns(task, trees.columns, text)
    return trees, trees


def _require_columns(task: Task, columns: list[str], text: str) -> None:
    """Trees go by a column's place and a category's code: both must be the task's."""
    names = list(task.schema.names)
    if len(columns) != len(names) or any(
        column not in (name, f"{UNNAMED}{place}")
        for place, (column, name) in enumerate(zip(columns, names, strict=True))
    ):
        raise _misfit(f"its columns are {', '.join(columns)}, the task's {', '.join(names)}")
    for line in text.splitlines():
        if line.startswith(PANDAS_CATEGORIES):
            stated = _stated_categories(line.removeprefix(PANDAS_CATEGORIES))
            ours = [list(each.categories) for each in task.schema.features if each.kind is FeatureKind.CATEGORY]
            if stated and stated != ours:
                raise _misfit("its categories, or their order, are not the task's")


def _stated_categories(text: str) -> Any:
    try:
        return msgspec.json.decode(text, strict=False)
    except UNREADABLE as error:
        raise _misfit(f"its categories cannot be read: {error}") from error


def _misfit(what: str) -> ModelMisfit:
    return ModelMisfit(
        f"the model was refused: {what}", where="LightGBM file", fix="train it on the task's columns, in their order"
    )
