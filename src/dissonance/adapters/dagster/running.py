"""One run of all steps on Dagster, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dagster

from dissonance.adapters.dagster.definitions import RETRY_AFTER_S, TASKS, build_assets, order_config
from dissonance.adapters.dagster.instance import open_instance
from dissonance.ports.steps import Hands, Order, StepDescription

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
"""What Dagster would print is on record in its folder."""


def run_in_process(
    folder: Path, steps: Sequence[StepDescription], hands: Hands, order: Order, retry_after_s: float = RETRY_AFTER_S
) -> bool:
    """Whether every step was done and no check blocked the next; the run is on record in Dagster's folder.

    What a step raises is kept by Dagster and not raised here: whoever has the hands knows it.
    """
    with open_instance(folder) as instance:
        instance.add_dynamic_partitions(str(TASKS.name), [order.task])
        result = dagster.materialize(
            build_assets(steps, hands, retry_after_s),
            run_config={**order_config(order), "loggers": QUIET},
            instance=instance,
            partition_key=order.task,
            raise_on_error=False,
            tags={"dissonance/task": order.task},
        )
        return bool(result.success)
