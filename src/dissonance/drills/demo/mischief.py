"""Somebody puts a bad model into production: the gate says no, is overridden, and the loop takes the model back.

The model is a real one, fitted and signed by the pipeline, on labels of which half were exchanged by a seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import numpy as np

from dissonance.contracts.schema import Task
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import LIVE_PHASES
from dissonance.decisions.pairs import load_pair
from dissonance.decisions.rows import category_sizes
from dissonance.drills.demo.follow import Follower
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.stream import Brake
from dissonance.errors import EngineError, GateRefused, TimedOut
from dissonance.pipeline.reference import digest_of, open_reference
from dissonance.pipeline.registration import FittedPair, register_pair
from dissonance.pipeline.training import LabelledRows, Recipe, critic_metrics, score
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Split
from dissonance.science.sceptic import Labelled

MEDDLING = "somebody is meddling"
SPOILT = 0.5  # share of the training rows whose label is exchanged
LOOK_EVERY_S = 0.3
REASON = "demo: the numbers look fine to me"
ROLLBACK_LIMIT_S = 120.0


class RunsCommands(Protocol):
    """`RunningSystem` is one."""

    async def command(self, *arguments: str) -> Any: ...


class Mischief(msgspec.Struct, frozen=True):
    """What came of it. Event times in microseconds; `refusal` is what the gate said, `rollback` why it ended."""

    version: int
    refusal: str
    forced_at_us: int
    rolled_back_at_us: int
    rollback: str


async def register_spoilt(workshop: Workshop, task: Task, seed: int) -> int:
    """Fit a pair on the training rows with exchanged labels and register it; the version."""
    train = (await open_reference(workshop, task, Split.TRAIN)).rows
    doubted = (await open_reference(workshop, task, Split.CRITIC)).rows
    golden = (await open_reference(workshop, task, Split.GOLDEN)).rows
    production = await asyncio.to_thread(workshop.registry.production, task.task_id, ModelRole.PROPOSER)
    incumbent = await asyncio.to_thread(load_pair, workshop.registry, workshop.artefact_keys, task, production)

    def fitted() -> FittedPair:
        recipe = Recipe(category_sizes(task.schema), len(task.classes), seed)
        spoilt = exchange(train, len(task.classes), seed)
        proposer = recipe.fit_proposer(spoilt)
        critic = recipe.fit_critic(
            Labelled(doubted.features, proposer.probabilities(doubted.features), doubted.classes)
        )
        return FittedPair(
            proposer=proposer,
            critic=critic,
            proposer_metrics=score(proposer, golden).metrics,
            critic_metrics=critic_metrics(critic, proposer, golden),
            parameters={**recipe.parameters, "spoilt": str(SPOILT)},
            data_digest=digest_of(spoilt),
            parent=incumbent.version,
            declared_types=incumbent.artefact.manifest.trusted_types,
        )

    registered = await asyncio.to_thread(register_pair, workshop, task, await asyncio.to_thread(fitted))
    return registered.proposer.version


def exchange(rows: LabelledRows, classes: int, seed: int, share: float = SPOILT) -> LabelledRows:
    """The next class in place of the true one, for a random `share` of the rows of a systematic half of the inputs.

    Which half is decided by the first feature, so that the model learns it instead of averaging it away.
    """
    generator = np.random.default_rng(seed)
    first = rows.features[:, 0]
    chosen = (first > np.nanmedian(first)) & (generator.random(len(first)) < 2 * share)
    return LabelledRows(rows.features, np.where(chosen, (rows.classes + 1) % classes, rows.classes))


async def meddle(
    system: RunsCommands,
    workshop: Workshop,
    task: Task,
    follower: Follower,
    progress: Progress,
    brake: Brake,
    *,
    from_us: int,
    seed: int,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Mischief:
    """Wait for `from_us` of event time and until no rollout is under way; then do it, and wait for the rollback."""
    while progress.event_time_us < from_us or await _under_way(workshop, task):
        await sleep(LOOK_EVERY_S)
    brake.hold(MEDDLING)
    try:
        version = await register_spoilt(workshop, task, seed)
        progress.note(f"somebody registers version {version}, which learnt from wrong labels, and wants it promoted")
        promote = ("models", "promote", task.name, "--version", str(version))
        refusal = await _refusal(system, promote)
        progress.note(f"refused: {refusal}")
        before = len(follower.happenings)
        await system.command(*promote, "--override", REASON)
        forced_at_us = progress.event_time_us
    finally:
        brake.release(MEDDLING)
    for _ in range(round(ROLLBACK_LIMIT_S / LOOK_EVERY_S)):
        back = follower.heard(EventKind.MODEL_ROLLED_BACK, before)
        if back:
            return Mischief(version, refusal, forced_at_us, back[0].event_time_us, back[0].text)
        await sleep(LOOK_EVERY_S)
    raise TimedOut(
        f"version {version} was forced into production and nobody took it back in {ROLLBACK_LIMIT_S:.0f} s",
        where="demo",
        fix="read the logs beside the report: does the gate get labels?",
    )


async def _refusal(system: RunsCommands, promote: tuple[str, ...]) -> str:
    try:
        await system.command(*promote)
    except GateRefused as refused:
        return refused.what
    raise EngineError(
        "the gate let a model pass that learnt from wrong labels", where="demo", fix="see dissonance models updates"
    )


async def _under_way(workshop: Workshop, task: Task) -> bool:
    rollout = await workshop.store.rollout(task.task_id)
    return rollout is not None and rollout.phase in LIVE_PHASES
