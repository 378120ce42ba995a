"""Trees grown by the workers of a real Dask cluster are as good as those of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster

from dissonance.adapters.dask.growing import DaskGrow
from dissonance.bootstrap_pipeline import open_grow
from dissonance.errors import ClusterError
from dissonance.ports.steps import StepName
from dissonance.science.metrics import log_loss
from dissonance.science.proposer import fit_lightgbm
from support.distributions import labelled_rows
from support.flow import TableSource, bench, record, run, with_policy
from support.workshop import create, frame, workshop, write

pytestmark = [
    # LightGBM's interface says which parameters it passes over.
    pytest.mark.filterwarnings("ignore::UserWarning:lightgbm"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as started:
        yield started


@pytest.mark.parametrize(("classes", "weighted"), [(2, False), (3, True)])
def test_model_of_the_cluster_answers_as_well(cluster: LocalCluster, classes: int, weighted: bool) -> None:
    features, target = labelled_rows(2_000, 3, classes)
    unseen, truth = labelled_rows(1_000, 4, classes)
    shares = np.full((len(target), classes), 0.1 / (classes - 1))
    shares[np.arange(len(target)), target] = 0.9
    how = {
        "category_sizes": (0, 0, 4),
        "classes_count": classes,
        "seed": 1,
        "threads": 1,
        "targets": shares if weighted else None,
        "rounds": 40,
    }
    here = fit_lightgbm(features, target, **how)
    there = fit_lightgbm(features, target, grow=DaskGrow(cluster.scheduler_address), **how)
    losses = [log_loss(model.probabilities(unseen), truth) for model in (here, there)]
    assert losses[1] == pytest.approx(losses[0], abs=0.03)
    assert there.rounds == here.rounds == 40


def test_whole_run_on_the_cluster_makes_a_candidate_that_reopens_as_any_other(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work = workshop()
    task = create(work, write(tmp_path, frame(600))).task
    with_policy(work, task, golden_drop_max=0.3, calibration_rise_max=0.3, slice_drop_max=0.5)
    at = bench(work, tmp_path, TableSource(frame(200, seed=5).assign(person=[f"new-{row}" for row in range(200)])))
    at = type(at)(**{**vars(at), "grow": open_grow(cluster.scheduler_address)})
    done = run(at, task, cluster=cluster.scheduler_address)
    assert record(done, StepName.REGISTER).numbers["version"] == 2
    assert record(done, StepName.GATE).numbers["verdict"] == "accepted"


def test_no_scheduler_at_the_address_is_told() -> None:
    features, target = labelled_rows(200, 3)
    with pytest.raises(ClusterError, match="does not answer"):
        fit_lightgbm(
            features,
            target,
            category_sizes=(0, 0, 4),
            classes_count=2,
            seed=1,
            threads=1,
            rounds=5,
            grow=DaskGrow("tcp://127.0.0.1:9", timeout_s=1.0),
        )
