"""Models change, fail and are slow while requests come: each answer is one model's as a whole, and none is lost."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
import numpy as np
import pytest

from dissonance.adapters.memory.clock import FixedClock
from dissonance.contracts.standings import NOT_LOADED, ServingQuestion, Standing
from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import ModelFailed
from dissonance.roles.proposer.measuring import MeasuredModels
from dissonance.roles.proposer.standing import Standings
from dissonance.roles.serving import Matrix
from support.updates import rollout_of, step_of
from support.walk import TASK, PlainLoader, Walk

ROW = {"x": 0.25, "colour": "red", "at": "2016-01-01T00:00:00Z", "person": "ann"}
REFUSES = -1.0
SAYS = {1: 0.1, 2: 0.9}


class Constant:
    """Says `yes` with one probability, whatever it is asked; NaN: its answer is none; `REFUSES`: it raises."""

    def __init__(self, yes: float) -> None:
        self.yes = yes

    def probabilities(self, features: Matrix) -> Matrix:
        if self.yes == REFUSES:
            raise ModelFailed("it refuses every row")
        return np.tile([1.0 - self.yes, self.yes], (len(features), 1))


def pair(version: int, yes: float) -> Any:
    return PlainLoader.pair(version, 0.1, Constant(yes))


async def opened(*says: float) -> Walk:
    """A walk whose versions, from 1 on, say these; the first is in production."""
    walk = await Walk.open(gap=0.1)
    for version, yes in enumerate(says, 1):
        walk.loader.pairs[version] = pair(version, yes)
    return walk


async def predict(walk: Walk) -> Any:
    reply = await walk.post("toy/predict", {"rows": [ROW]})
    assert reply.status == 200, reply.body
    return msgspec.json.decode(reply.body)


def test_while_models_are_swapped_every_answer_is_one_models_as_a_whole() -> None:
    async def story() -> None:
        walk = await opened(*SAYS.values())

        seen: set[int] = set()

        async def swap() -> None:
            for version in itertools.cycle((2, 1)):
                walk.loader.serving = version
                await walk.catalogue.refresh_all()

        async def ask() -> None:
            asked = 0
            while asked < 60 or seen != {1, 2}:
                reply = await predict(walk)
                assert reply["predictions"][0]["probabilities"][1] == pytest.approx(SAYS[reply["model_version"]])
                seen.add(reply["model_version"])
                asked += 1

        await predict(walk)
        swaps = asyncio.create_task(swap())
        await asyncio.gather(ask(), ask())
        assert swaps.cancel(), "the swaps ended before the questions did"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("phase", "says"),
    [
        (RolloutPhase.ARMED, (0.1, float("nan"))),
        (RolloutPhase.CANARY, (0.1, float("nan"))),
        (RolloutPhase.ARMED, (0.1, REFUSES)),
    ],
)
def test_a_model_of_a_rollout_that_fails_leaves_the_answer_to_the_version_before(
    phase: RolloutPhase, says: tuple[float, ...]
) -> None:
    async def story() -> None:
        walk = await opened(*says)
        walk.loader.serving = 2 if phase is RolloutPhase.ARMED else 1
        rollout = rollout_of(TASK.task_id, 2, phase, share=1.0, previous_digest=f"{1:064x}")
        assert await walk.store.save_rollout(rollout, step_of(rollout))
        reply = await predict(walk)
        assert (reply["model_version"], reply["predictions"][0]["probabilities"][1]) == (1, pytest.approx(0.1))

    asyncio.run(story())


def test_a_model_that_fails_with_none_beside_it_says_so() -> None:
    async def story() -> None:
        walk = await opened(float("nan"))
        reply = await walk.post("toy/predict", {"rows": [ROW]})
        assert reply.status == 503
        assert b"model-failed" in reply.body

    asyncio.run(story())


def test_what_a_model_did_is_counted_by_its_digest_and_told_to_whoever_asks() -> None:
    async def story() -> None:
        walk, models = await opened(0.1), MeasuredModels(FixedClock())
        standings = Standings(walk.catalogue, models, walk.bus, "one")
        question = msgspec.msgpack.encode(ServingQuestion(TASK.task_id))

        def told() -> Standing:
            said = standings.answer(question)
            assert said is not None
            return msgspec.msgpack.decode(said, type=Standing)

        assert (told().replica, told().version) == ("one", NOT_LOADED)
        await predict(walk)
        await models.probabilities(TASK.task_id, pair(1, 0.1), np.zeros((2, 2)))
        with pytest.raises(ModelFailed, match="version 2"):
            await models.probabilities(TASK.task_id, pair(2, float("nan")), np.zeros((2, 2)))
        assert told().version == 1
        counted = {digest: (each.calls, each.failed) for digest, each in told().behaviour.items()}
        assert counted == {f"{1:064x}": (1, 0), f"{2:064x}": (1, 1)}
        assert standings.answer(b"something else") is None

    asyncio.run(story())
