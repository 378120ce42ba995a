"""Estimates of windows as the pipeline makes them, and `roles.estimates.Estimates` that gives what it is told to."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.estimates import CarriedByFeature, CarriedBySlice, EstimateVerdict, WindowEstimate
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.errors import DissonanceError
from dissonance.pipeline.estimates import PipelineEstimates
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Window
from support.distributions import labelled_rows
from support.store import RowMaker
from support.workshop import Workshop, add_experience, small_task


def told(accuracy: float = 0.80, p_value: float = 0.6, model_digest: str = "", **changes: object) -> WindowEstimate:
    """Of a model whose reference rows were answered with 0.80."""
    estimate = WindowEstimate(
        verdict=EstimateVerdict.TOLD,
        model_digest=model_digest,
        rows=400,
        reference_rows=1_000,
        reference_accuracy=0.80,
        auc=0.75,
        effective_share=0.5,
        harm_margin=0.01,
        accuracy=accuracy,
        low=accuracy - 0.0625,
        high=accuracy + 0.0625,
        bound=accuracy - 0.05,
        log_loss=0.5,
        brier_score=0.25,
        roc_auc=0.875,
        f1=0.75,
        p_value=p_value,
        features=(CarriedByFeature("x", 0.0625),),
        slices=(CarriedBySlice("colour", "blue", 0.25, 0.75, 0.0625),),
    )
    return msgspec.structs.replace(estimate, **changes)


def cannot_tell(model_digest: str = "") -> WindowEstimate:
    return WindowEstimate(
        verdict=EstimateVerdict.CANNOT_TELL,
        model_digest=model_digest,
        rows=400,
        reference_rows=1_000,
        reference_accuracy=0.80,
        auc=1.0,
        effective_share=1.0,
        harm_margin=0.01,
        separating=("x",),
    )


class RecordedEstimates:
    """Remembers the windows it was asked about, by id. `refusal` is what it raises."""

    def __init__(self, answer: WindowEstimate | None = None) -> None:
        self.asked: list[str] = []
        self.answer = answer
        self.refusal: DissonanceError | None = None

    async def of(self, task: Task, policy: Policy, window: Window) -> WindowEstimate | None:
        self.asked.append(window.window_id)
        if self.refusal is not None:
            raise self.refusal
        return self.answer


def traffic(rows: int, seed: int, *, fallen: bool = False) -> NDArray[np.float64]:
    """Features (rows, 3) as those of `workshop.frame`; when `fallen`, of one kind and where the answer is a toss-up."""
    features, _ = labelled_rows(rows, seed)
    if fallen:
        features[:, 0] = 0.4 + 0.2 * features[:, 0]
        features[:, 2] = 2.0
    return features


async def with_window(work: Workshop, task: Task, features: NDArray[np.float64], model_digest: str = "") -> Window:
    """Stored, unlabelled, as one window that is over; answered by the model in production unless one is given."""
    start_us = work.clock.now_us()
    people = [f"someone-{number}" for number in range(len(features))]
    digest = model_digest or work.registry.production(task.task_id, ModelRole.PROPOSER).digest
    await add_experience(work, task, features, [], people, labelled=False, models=(digest, ""))
    window = RowMaker("estimates").window(task.task_id, start_us, closed=True, rows=len(features))
    window = msgspec.structs.replace(window, end_us=start_us + len(features))
    await work.store.save_window(window)
    return window


def estimated(policy: Policy, *, rows: int = 400, fallen: bool = False) -> WindowEstimate:
    """By the pipeline, of a small task."""
    work, task = small_task(2_000)

    async def story() -> WindowEstimate | None:
        window = await with_window(work, task, traffic(rows, 7, fallen=fallen))
        return await PipelineEstimates(work).of(task, policy, window)

    estimate = asyncio.run(story())
    assert estimate is not None
    return estimate
