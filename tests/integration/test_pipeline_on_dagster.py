"""The pipeline on a real Dagster: in this process, by its schedule and sensor, and its pages over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import dagster
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from dissonance.adapters.dagster.definitions import JOB, SCHEDULE, SENSOR, TASKS, build
from dissonance.adapters.dagster.instance import open_instance
from dissonance.adapters.dagster.running import run_in_process
from dissonance.errors import EngineUnavailable, ModelNotRenewable
from dissonance.pipeline.flow.run import FITS, STEPS, descriptions
from dissonance.ports.steps import FAILS, HOLDS, Done, Order, StepName, StepRecord, Trigger

RULES = descriptions()[-2].checks


class ToldHands:
    """`ports.steps.Hands` that notes what it is asked. `refusing`: a step that does, at the gate by one `rule`, or by
    none of those there are. `away`: how often an engine is. `waiting`: a step that is passed over."""

    def __init__(
        self,
        refusing: StepName | None = None,
        rule: str = "",
        away: int = 0,
        waiting: StepName | None = None,
    ) -> None:
        self.asked: list[tuple[StepName, str, Order]] = []
        self.found = [Trigger("event-2", "census", "labels came", 20), Trigger("event-3", "unknown", "", 30)]
        self._refusing = refusing
        self._rule = rule
        self._away = away
        self._waiting = waiting

    def do(self, step: StepName, run: str, order: Order) -> Done:
        self.asked.append((step, run, order))
        if self._away:
            self._away -= 1
            raise EngineUnavailable("away", where="a test", fix="wait")
        rules = {rule: FAILS if rule == self._rule else HOLDS for rule in RULES if step is StepName.GATE}
        record = StepRecord(
            step=step,
            key="a" * 64,
            digest=f"{list(StepName).index(step):064d}",
            numbers={"rows": 7, **rules},
            findings=("a finding",) if step is self._refusing else (),
            accepted=step is not self._refusing,
            finished_at_us=0,
            task_id="b" * 32,
        )
        return Done(record, False, passed_over=step is self._waiting)

    def tasks(self) -> list[str]:
        return ["census"]

    def triggers(self, after_us: int) -> list[Trigger]:
        return [each for each in self.found if each.at_us > after_us]


def steps_of(hands: ToldHands) -> list[StepName]:
    return [step for step, _, _ in hands.asked]


def test_run_does_every_step_once_in_order_and_keeps_what_each_found(tmp_path: Path) -> None:
    hands = ToldHands(waiting=StepName.ROLLOUT)
    assert run_in_process(tmp_path, descriptions(), hands, Order("census", "rows.csv", reason="a test"))
    assert steps_of(hands) == [step.name for step in STEPS]
    assert hands.asked[0][2] == Order("census", "rows.csv", reason="a test")
    assert len({run for _, run, _ in hands.asked}) == 1
    with open_instance(tmp_path) as instance:
        event = instance.get_latest_materialization_event(dagster.AssetKey("snapshot"))
        assert event is not None and event.asset_materialization is not None
        assert event.asset_materialization.partition == "census"
        assert event.asset_materialization.metadata["digest"].value == f"{2:064d}"
        assert event.asset_materialization.metadata["rows"].value == 7
        last = instance.get_latest_materialization_event(dagster.AssetKey("rollout"))
        assert last is not None and last.asset_materialization is not None
        assert last.asset_materialization.metadata["state"].value == "passed over"
        assert not instance.telemetry_enabled


def test_instance_that_many_open_at_once_in_a_new_folder_has_a_storage_that_opens_again(tmp_path: Path) -> None:
    together = Barrier(8)

    def opened(_: int) -> int:
        together.wait()
        with open_instance(tmp_path) as instance:
            return instance.get_runs_count()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(opened, range(8))) == [0] * 8
    with open_instance(tmp_path) as instance:
        assert instance.get_runs_count() == 0


@pytest.mark.parametrize(
    ("refusing", "rule"), [(StepName.VALIDATE, ""), (StepName.GATE, RULES[1]), (StepName.GATE, "")]
)
def test_check_that_fails_blocks_what_comes_after_and_is_told_by_name(
    tmp_path: Path, refusing: StepName, rule: str
) -> None:
    hands = ToldHands(refusing, rule)
    assert not run_in_process(tmp_path, descriptions(), hands, Order("census"))
    assert steps_of(hands) == list(StepName)[: list(StepName).index(refusing) + 1]
    with open_instance(tmp_path) as instance:
        (record,) = instance.get_run_records()
        assert record.dagster_run.status is dagster.DagsterRunStatus.FAILURE
        told = instance.all_logs(record.dagster_run.run_id, of_type=dagster.DagsterEventType.ASSET_CHECK_EVALUATION)
        checks = {
            data.check_name: data.passed
            for entry in told
            if entry.dagster_event is not None
            for data in (entry.dagster_event.asset_check_evaluation_data,)
        }
    if refusing is StepName.VALIDATE:
        assert checks == {FITS: False}
    else:
        assert checks == {FITS: True, **{each: bool(rule) and each != rule for each in RULES}}


def test_engine_that_is_away_is_waited_for(tmp_path: Path) -> None:
    hands = ToldHands(away=2)
    assert run_in_process(tmp_path, descriptions(), hands, Order("census"), retry_after_s=0.0)
    assert steps_of(hands)[:4] == [StepName.INGEST, StepName.INGEST, StepName.INGEST, StepName.VALIDATE]


class NotRenewable(ToldHands):
    """What is in production was registered from a file."""

    def do(self, step: StepName, run: str, order: Order) -> Done:
        if step is StepName.TRAIN:
            self.asked.append((step, run, order))
            raise ModelNotRenewable("version 2 was registered from a file", where="model in production", fix="register")
        return super().do(step, run, order)


def test_model_that_nothing_here_can_make_again_ends_the_run_at_once_and_says_why(tmp_path: Path) -> None:
    hands = NotRenewable()
    assert not run_in_process(tmp_path, descriptions(), hands, Order("census"), retry_after_s=0.0)
    assert steps_of(hands)[-1] is StepName.TRAIN
    assert steps_of(hands).count(StepName.TRAIN) == 1, "no other try would find another model"
    with open_instance(tmp_path) as instance:
        (record,) = instance.get_run_records()
        failures = instance.all_logs(record.dagster_run.run_id, of_type=dagster.DagsterEventType.STEP_FAILURE)
    assert "registered from a file" in str(failures[0].dagster_event)


def test_schedule_and_sensor_ask_for_runs_of_known_tasks_and_are_off_until_turned_on(tmp_path: Path) -> None:
    definitions = build(descriptions(), ToldHands())
    repository = definitions.get_repository_def()
    schedule, sensor = repository.get_schedule_def(SCHEDULE), repository.get_sensor_def(SENSOR)
    assert schedule.default_status is dagster.DefaultScheduleStatus.STOPPED
    assert sensor.default_status is dagster.DefaultSensorStatus.STOPPED
    # As Dagster's daemon does, so that partitions that are made now count.
    with open_instance(tmp_path) as instance, partition_loading_context(dynamic_partitions_store=instance):
        with dagster.build_schedule_context(instance=instance, repository_def=repository) as context:
            nightly = schedule.evaluate_tick(context).run_requests
        with dagster.build_sensor_context(instance=instance, cursor="10", repository_def=repository) as sensing:
            tick = sensor.evaluate_tick(sensing)
        assert [request.partition_key for request in nightly or ()] == ["census"]
        requests = tick.run_requests or []
        assert [(each.run_key, each.partition_key) for each in requests] == [("event-2", "census")]
        assert requests[0].run_config["ops"]["ingest"]["config"]["reason"] == "labels came"
        assert tick.cursor == "30"
        assert instance.get_dynamic_partitions(str(TASKS.name)) == ["census"]


def test_other_commands_do_not_load_dagster_or_pandera() -> None:
    program = (
        "import sys, dissonance.cli, dissonance.bootstrap_roles, dissonance.bootstrap_pipeline;"
        "assert not {'dagster', 'pandera', 'distributed'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def ask(address: str, query: str) -> Any:
    body = json.dumps({"query": query}).encode()
    asked = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)["data"]


@pytest.mark.timeout(300)
def test_pages_answer_on_the_loopback_device_with_assets_checks_schedule_and_sensor(tmp_path: Path) -> None:
    environment = {**os.environ, "DISSONANCE_DATA": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "dissonance", "pipeline", "ui", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["ui"]
            assert address.startswith("http://127.0.0.1:")
            nodes = ask(address, "{ assetNodes { assetKey { path } isPartitioned hasAssetChecks } }")["assetNodes"]
            found = {node["assetKey"]["path"][0]: node for node in nodes}
            assert set(found) == {step.value for step in StepName}
            assert {name for name, node in found.items() if node["hasAssetChecks"]} == {"validate", "gate"}
            repository = (
                "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } schedules { name } "
            )
            told = ask(address, repository + "sensors { name } } } } }")["repositoriesOrError"]["nodes"][0]
            assert JOB in {job["name"] for job in told["jobs"]}
            assert ([each["name"] for each in told["schedules"]], [each["name"] for each in told["sensors"]]) == (
                [SCHEDULE],
                [SENSOR],
            )
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=60)
    assert code == 0
    assert "enabled: false" in (tmp_path / "pipeline" / "dagster" / "dagster.yaml").read_text()
