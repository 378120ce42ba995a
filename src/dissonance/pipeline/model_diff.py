"""Two versions of a task's model side by side, and how far apart their answers are on the golden inputs."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import numpy as np

from dissonance.contracts.schema import Task
from dissonance.decisions.pairs import LoadedPair
from dissonance.pipeline.aliases import open_version
from dissonance.pipeline.reference import open_reference
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.ports.store import Split
from dissonance.science.divergences import kullback_leibler


class Described(NamedTuple):
    """`facts`: what an artefact says of itself, by name; `size_bytes`: of the files of proposer and critic."""

    version: ModelVersion
    parameters: dict[str, str]
    facts: dict[str, str]
    size_bytes: int


class Apart(NamedTuple):
    """On `rows` golden inputs, whose labels are not looked at: mean KL(before ‖ after) in nats with its standard error,
    and the share of answers that differ."""

    rows: int
    kl: float
    kl_error: float
    differing: float


class ModelDiff(NamedTuple):
    task: Task
    before: Described
    after: Described
    apart: Apart


async def diff(workshop: Workshop, name: str, before: int, after: int) -> ModelDiff:
    """Raises `UnknownTask`, `ModelNotFound`, `ModelRefused` or `EngineUnavailable`."""
    task = await workshop.store.by_name(name)
    one, other = await open_version(workshop, task, before), await open_version(workshop, task, after)
    golden = (await open_reference(workshop, task, Split.GOLDEN)).rows.features
    old, new = (pair.proposer.probabilities(golden) for pair in (one, other))
    kl = kullback_leibler(old, new)
    n = len(kl)
    apart = Apart(
        rows=n,
        kl=float(kl.mean()) if n else 0.0,
        kl_error=float(kl.std() / np.sqrt(n)) if n else 0.0,
        differing=float((old.argmax(axis=1) != new.argmax(axis=1)).mean()) if n else 0.0,
    )
    return ModelDiff(task, await _described(workshop, task, one), await _described(workshop, task, other), apart)


async def _described(workshop: Workshop, task: Task, pair: LoadedPair) -> Described:
    manifest = pair.artefact.manifest
    parameters = await asyncio.to_thread(
        workshop.registry.parameters, task.task_id, ModelRole.PROPOSER, pair.version.version
    )
    facts = {
        "digest": pair.artefact.digest,
        "critic": pair.critic_artefact.digest,
        "training data": manifest.training_data_digest,
        "schema": manifest.schema_digest,
        "format": manifest.format.value,
        **{f"library {name}": version for name, version in sorted(manifest.libraries.items())},
    }
    files = [*pair.artefact.files.values(), *pair.critic_artefact.files.values()]
    return Described(pair.version, parameters, facts, sum(map(len, files)))
