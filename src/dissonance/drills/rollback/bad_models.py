"""Models that somebody puts into production and should not have: real ones, signed and registered like any other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from dissonance.contracts.schema import Task
from dissonance.errors import ConfigurationError
from dissonance.pipeline.aliases import open_pair, production_version
from dissonance.pipeline.registration import FittedPair, register_pair
from dissonance.pipeline.workshop import Workshop
from dissonance.science.proposer import LightGBMProposer
from dissonance.science.sceptic import Sceptic
from dissonance.science.tree_text import joined, parts

STUMPS = 40_000
STUMP = """num_leaves=2
num_cat=0
split_feature=0
split_gain=1
threshold=0.5
decision_type=2
left_child=-1
right_child=-2
leaf_value=0 0
leaf_weight=1 1
leaf_count=1 1
internal_value=0
internal_weight=0
internal_count=2
is_linear=0
shrinkage=1"""
"""A tree that asks and adds nothing, in LightGBM's text."""


async def register_slow(workshop: Workshop, task: Task) -> int:
    """Answers as the model in production does, to the bit, after asking many trees that add nothing. The version."""
    return await _register(workshop, task, lambda header, trees: joined(header, [*trees, *[STUMP] * STUMPS]))


async def register_failing(workshop: Workshop, task: Task) -> int:
    """Every leaf of its first tree is not a number, and so is every answer. The version."""

    def spoilt(header: str, trees: list[str]) -> str:
        leaves = re.sub(r"(?m)^leaf_value=.*$", lambda line: re.sub(r"[^ =]+(?= |$)", "nan", line[0]), trees[0])
        return joined(header, [leaves, *trees[1:]])

    return await _register(workshop, task, spoilt)


async def _register(workshop: Workshop, task: Task, change: Callable[[str, list[str]], str]) -> int:
    pair = await open_pair(workshop, task, await production_version(workshop, task))
    if not isinstance(pair.proposer, LightGBMProposer) or not isinstance(pair.critic, Sceptic):
        raise ConfigurationError("the model in production is no LightGBM", where="drill", fix="make the task anew")
    text = change(*parts(pair.proposer.text))
    changed = FittedPair(
        proposer=LightGBMProposer.from_text(text, len(task.classes)),
        critic=pair.critic,
        proposer_metrics={},
        critic_metrics={},
        parameters={"model": "changed by a drill"},
        data_digest=pair.artefact.manifest.training_data_digest,
        parent=pair.version,
    )
    return (await asyncio.to_thread(register_pair, workshop, task, changed)).proposer.version
