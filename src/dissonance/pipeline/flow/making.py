"""The steps that make a candidate: trained from the snapshot, scored, and registered."""

from __future__ import annotations

import asyncio

from dissonance.decisions.pairs import load_pair
from dissonance.errors import ModelError
from dissonance.pipeline.describing import describe
from dissonance.pipeline.flow.candidate import digest_of_files, files_digest, fitted, kept, write_candidate
from dissonance.pipeline.flow.material import material_of
from dissonance.pipeline.flow.opening_snapshot import open_snapshot
from dissonance.pipeline.flow.records import Provenance, run_id
from dissonance.pipeline.flow.snapshot import read_rows
from dissonance.pipeline.flow.step import Made
from dissonance.pipeline.flow.work import Inputs, Work
from dissonance.pipeline.reference import digest_of
from dissonance.pipeline.registration import register_pair
from dissonance.pipeline.retrain import fit, recipe_of
from dissonance.pipeline.training import Score, score
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.ports.steps import Number, StepName
from dissonance.security.envelope import NONCE_BYTES


async def train_inputs(work: Work) -> Inputs:
    return {
        "snapshot": work.done[StepName.SNAPSHOT].digest,
        "incumbent": (await work.incumbent()).version.digest,
        "policy": await work.policy_digest(),
        "seed": work.request.seed,
        "threads": work.request.threads,
        "cluster": int(bool(work.request.cluster)),
    }


async def train(work: Work) -> Made:
    """On the snapshot's rows as they are on disk. Raises `HoldoutLeak`, `SealBroken`, `RecordBroken`, `ModelRefused`,
    `ClusterError` or `EngineUnavailable`."""
    task, snapshot = work.task, work.done[StepName.SNAPSHOT]
    work.progress("open the rows", 0.0)
    read = await asyncio.to_thread(read_rows, work.bench.files, work.records.folder, task, snapshot.digest, work.ids)
    opened = await open_snapshot(work.workshop, task, read, work.ids)
    people = await work.workshop.store.golden_data_subjects(task.task_id)
    excluded = int(snapshot.numbers.get("golden_excluded") or 0)
    material = material_of(task, read.rows, opened, await work.golden(), people, excluded)
    incumbent = await work.incumbent()
    recipe = recipe_of(task, incumbent, work.request.seed, work.request.threads, work.bench.grow)
    policy = await work.workshop.store.policy(task.task_id)
    pair, _, numbers = await asyncio.to_thread(fit, recipe, material, incumbent, policy, work.progress)
    pair = pair._replace(parameters={**pair.parameters, "snapshot_digest": snapshot.digest})
    candidate = kept(pair)
    name = work.key_of(StepName.TRAIN, await train_inputs(work))
    nonce = work.workshop.randomness.token(NONCE_BYTES)
    await asyncio.to_thread(write_candidate, work.place, name, candidate, nonce)
    work.trained(candidate)
    return Made(files_digest(candidate), {**numbers, "rows": pair.proposer_metrics["train_rows"]})


async def evaluate_inputs(work: Work) -> Inputs:
    return {
        "model": work.done[StepName.TRAIN].digest,
        "incumbent": (await work.incumbent()).version.digest,
        "golden": work.keyed(digest_of((await work.golden()).rows).encode()),
    }


async def evaluate(work: Work) -> Made:
    """Candidate and incumbent on the golden holdout, which neither was made of."""
    golden = (await work.golden()).rows
    incumbent = await work.incumbent()
    pair = fitted(work.task, await work.candidate(), incumbent.version)
    after = await asyncio.to_thread(score, pair.proposer, golden)
    before = await asyncio.to_thread(score, incumbent.proposer, golden)
    return Made(work.done[StepName.TRAIN].digest, {**_numbers(after), **_numbers(before, "incumbent_")})


async def register_inputs(work: Work) -> Inputs:
    return {"model": work.done[StepName.TRAIN].digest, "incumbent": (await work.incumbent()).version.digest}


async def register(work: Work) -> Made:
    """As a candidate, which answers nobody. Whole or not at all: a proposer without its critic is none, and a pair that
    an earlier try had registered is found by its files."""
    model_digest = work.done[StepName.TRAIN].digest
    incumbent = (await work.incumbent()).version
    version = await _registered(work, model_digest, incumbent)
    if version is None:
        pair = fitted(work.task, await work.candidate(), incumbent)
        golden, policy = (await work.golden()).rows, await work.workshop.store.policy(work.task.task_id)
        described = await asyncio.to_thread(describe, work.task.schema, pair.proposer, golden, policy)
        pair = pair._replace(described=described)
        work.progress("register the models", 0.0)
        version = (await asyncio.to_thread(register_pair, work.workshop, work.task, pair)).proposer
    provenance = Provenance(
        version=version.version,
        model_digest=version.digest,
        model_files_digest=model_digest,
        snapshot=work.done[StepName.SNAPSHOT].digest,
        parent=incumbent.version,
        run=run_id(work.request),
    )
    work.records.keep_provenance(provenance)
    return Made(version.digest, {"version": version.version, "parent": incumbent.version})


async def _registered(work: Work, model_digest: str, incumbent: ModelVersion) -> ModelVersion | None:
    """Among children of the incumbent that have a critic, newest first."""
    registry, keys, task = work.workshop.registry, work.workshop.artefact_keys, work.task
    critics = await asyncio.to_thread(registry.versions, task.task_id, ModelRole.CRITIC)
    whole = {critic.parent for critic in critics}
    for version in await asyncio.to_thread(registry.versions, task.task_id, ModelRole.PROPOSER):
        if version.version not in whole or version.parent != incumbent.version:
            continue
        try:
            pair = await asyncio.to_thread(load_pair, registry, keys, task, version)
        except ModelError:
            continue
        if digest_of_files(pair.artefact.manifest.files, pair.critic_artefact.manifest.files) == model_digest:
            return version
    return None


def _numbers(found: Score, prefix: str = "") -> dict[str, Number]:
    return {f"{prefix}{name}": value for name, value in found.metrics.items()}
