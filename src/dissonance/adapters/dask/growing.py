"""Trees grown by the workers of a Dask cluster, through LightGBM's own Dask interface.

Every worker has a share of the rows and builds histograms of it; LightGBM adds them up between the workers (Ke et al.
2017, section 5). Rows go to the workers as plain matrices: a cluster is trusted with them as this process is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dask.array
import lightgbm
import numpy as np
from distributed import Client

from dissonance.adapters.dask.crew import CONNECT_TIMEOUT_S, SENDING, connected, require_same_versions, translated
from dissonance.science.arrays import Classes, Matrix, Vector

ADDRESSES = ("[machines:", "[local_listen_port:")
"""Parameters that a model's text would name."""

GROWN = frozenset({"objective", "num_class", "num_threads", "seed"})
"""Parameters that the interface has words of its own for."""


class DaskGrow:
    """`science.proposer.Grow`. `address`: of a scheduler, `tcp://host:port`."""

    def __init__(self, address: str, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self._address = address
        self._timeout_s = timeout_s

    def __call__(
        self,
        parameters: Mapping[str, Any],
        features: Matrix,
        classes: Classes,
        weights: Vector | None,
        categories: Sequence[int],
        rounds: int,
    ) -> lightgbm.Booster:
        """Raises `ClusterError`."""
        with (
            translated(self._address),
            dask.config.set(SENDING),
            connected(self._address, self._timeout_s) as client,
            client.as_current(),
        ):
            client.wait_for_workers(1, timeout=self._timeout_s)
            require_same_versions(client)
            rows = _rows_of_a_worker(client, len(features))
            held = _held(client, features, classes, weights, rows)
            model = lightgbm.DaskLGBMClassifier(
                client=client,
                n_estimators=rounds,
                random_state=parameters["seed"],
                tree_learner="data",
                **{name: value for name, value in parameters.items() if name not in GROWN},
            )
            features_there, classes_there, weights_there = held
            model.fit(
                features_there,
                classes_there,
                sample_weight=weights_there,
                categorical_feature=list(categories),
            )
            return _without_addresses(model.booster_)


def _without_addresses(booster: lightgbm.Booster) -> lightgbm.Booster:
    """A model says nothing of the machines that made it."""
    lines = booster.model_to_string().splitlines(keepends=True)
    return lightgbm.Booster(model_str="".join(line for line in lines if not line.startswith(ADDRESSES)))


def _rows_of_a_worker(client: Client, rows: int) -> int:
    return max(1, -(-rows // len(client.nthreads())))


def _held(
    client: Client, features: Matrix, classes: Classes, weights: Vector | None, rows: int
) -> tuple[Any, Any, Any | None]:
    """One part a worker, in the memory of the workers."""
    there = [
        dask.array.from_array(np.ascontiguousarray(each), chunks=(rows, *each.shape[1:]))
        for each in (features, classes, *([weights] if weights is not None else []))
    ]
    kept = [client.persist(each) for each in there]
    return kept[0], kept[1], kept[2] if weights is not None else None
