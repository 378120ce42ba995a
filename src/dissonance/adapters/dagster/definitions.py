"""Steps as Dagster assets: what each must hold is a blocking check, what it found is the asset's metadata.

A partition is a task; "as of" is the configuration of a run's first asset. What an asset holds stays where the step
put it: Dagster stores digests and numbers, no row and no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dagster

from dissonance.errors import EngineUnavailable
from dissonance.ports.steps import Done, Hands, Order, StepDescription, StepName

GROUP = "pipeline"
TASKS = dagster.DynamicPartitionsDefinition(name="tasks")
JOB = "pipeline"
SCHEDULE = "every_night"
SENSOR = "retrain_requested"
EVERY_NIGHT = "0 3 * * *"  # UTC
SENSOR_EVERY_S = 30
RETRIES = 3
RETRY_AFTER_S = 5.0


class OrderConfig(dagster.Config):
    """Of the asset `ingest`; see `ports.steps.Order`, whose task is the partition."""

    source: str = ""
    as_of: str = ""
    seed: int = 0
    reason: str = "asked for in Dagster"


def build(steps: Sequence[StepDescription], hands: Hands) -> dagster.Definitions:
    """Assets, their job, a nightly schedule, and the sensor that the bus triggers. Schedule and sensor are off until
    somebody turns them on: the learner answers the same events."""
    assets = build_assets(steps, hands)
    job = dagster.define_asset_job(
        JOB, selection=[each.key for each in assets], executor_def=dagster.in_process_executor
    )
    return dagster.Definitions(
        assets=assets, jobs=[job], schedules=[_schedule(job, hands)], sensors=[_sensor(job, hands)]
    )


def build_assets(
    steps: Sequence[StepDescription], hands: Hands, retry_after_s: float = RETRY_AFTER_S
) -> list[dagster.AssetsDefinition]:
    return [_asset(step, hands, retry_after_s, first=number == 0) for number, step in enumerate(steps)]


def order_config(order: Order) -> dict[str, Any]:
    """The configuration of a run that does it."""
    config = {"source": order.source, "as_of": order.as_of, "seed": order.seed, "reason": order.reason}
    return {"ops": {StepName.INGEST.value: {"config": config}}}


def _asset(step: StepDescription, hands: Hands, retry_after_s: float, *, first: bool) -> dagster.AssetsDefinition:
    def work(context: dagster.AssetExecutionContext, order: Order) -> dagster.MaterializeResult[Any]:
        try:
            done = hands.do(step.name, context.run.run_id, order)
        except EngineUnavailable as error:
            # Steps may be done again: what is there already is found.
            raise dagster.RetryRequested(RETRIES, retry_after_s) from error
        return _result(step, done)

    def begin(context: dagster.AssetExecutionContext, config: OrderConfig) -> dagster.MaterializeResult[Any]:
        order = Order(context.partition_key, config.source, config.as_of, config.seed, config.reason)
        return work(context, order)

    def go_on(context: dagster.AssetExecutionContext) -> dagster.MaterializeResult[Any]:
        return work(context, Order(context.partition_key))

    # Dagster reads the annotations, and the module's own are text.
    begin.__annotations__ = {"context": dagster.AssetExecutionContext, "config": OrderConfig}
    go_on.__annotations__ = {"context": dagster.AssetExecutionContext}
    asset = dagster.asset(
        begin if first else go_on,
        name=step.name.value,
        deps=[need.value for need in step.needs],
        description=step.what,
        group_name=GROUP,
        partitions_def=TASKS,
        check_specs=[
            dagster.AssetCheckSpec(name, asset=step.name.value, blocking=True, description=step.what)
            for name in step.checks
        ],
    )
    assert isinstance(asset, dagster.AssetsDefinition)
    return asset


def _result(step: StepDescription, done: Done) -> dagster.MaterializeResult[Any]:
    record = done.record
    findings = "\n".join(record.findings)
    metadata: dict[str, Any] = {name: value for name, value in record.numbers.items() if value is not None}
    metadata |= {"digest": record.digest, "inputs": record.key, "state": done.state, "findings": findings}
    return dagster.MaterializeResult(
        metadata=metadata,
        data_version=dagster.DataVersion(record.digest),
        check_results=[
            dagster.AssetCheckResult(check_name=name, passed=passed, metadata={"findings": findings})
            for name, passed in step.passed(record).items()
        ],
    )


def _schedule(job: Any, hands: Hands) -> dagster.ScheduleDefinition:
    def nightly(context: dagster.ScheduleEvaluationContext) -> Iterator[dagster.RunRequest]:
        for task in _known(context.instance, hands):
            yield dagster.RunRequest(
                partition_key=task, run_config=order_config(Order(task, reason="every night")), run_key=None
            )

    return dagster.ScheduleDefinition(
        name=SCHEDULE, job=job, cron_schedule=EVERY_NIGHT, execution_timezone="UTC", execution_fn=nightly
    )


def _sensor(job: Any, hands: Hands) -> dagster.SensorDefinition:
    def triggered(context: dagster.SensorEvaluationContext) -> Any:
        after_us = int(context.cursor or 0)
        found = hands.triggers(after_us)
        known = set(_known(context.instance, hands))
        requests = [
            dagster.RunRequest(
                run_key=trigger.event_id,
                partition_key=trigger.task,
                run_config=order_config(Order(trigger.task, reason=trigger.reason)),
            )
            for trigger in found
            if trigger.task in known
        ]
        return dagster.SensorResult(
            run_requests=requests, cursor=str(max([after_us, *(trigger.at_us for trigger in found)]))
        )

    return dagster.SensorDefinition(
        name=SENSOR, job=job, evaluation_fn=triggered, minimum_interval_seconds=SENSOR_EVERY_S
    )


def _known(instance: dagster.DagsterInstance, hands: Hands) -> list[str]:
    """A task made since is a partition from now on."""
    tasks = hands.tasks()
    instance.add_dynamic_partitions(str(TASKS.name), tasks)
    return tasks
