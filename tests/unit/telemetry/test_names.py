from __future__ import annotations

import re

from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction, MetricName


def test_every_metric_name_follows_the_grammar() -> None:
    for name in MetricName:
        assert re.fullmatch(r"dissonance_[a-z]+(_[a-z]+)*", name)


def test_every_log_action_follows_the_grammar() -> None:
    for action in LogAction:
        assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", action)


def test_every_metric_that_is_named_is_declared_and_only_counters_end_in_total() -> None:
    families = {family.name: family for family in Metrics().registry.collect()}
    for name in MetricName:
        family = families[name.removesuffix("_total")]
        assert (family.type == "counter") == name.endswith("_total")
        assert family.documentation
    assert len(families) == len(MetricName)


def test_two_processes_worth_of_metrics_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.rows_predicted.labels(task="census").inc(5)
    assert b'task="census"' in first.text()
    assert b'task="census"' not in second.text()
