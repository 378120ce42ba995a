"""Parts scored by the workers of a Dask cluster. The client reads and writes; workers see rows and models, no storage.

A part that is in hand when its worker is lost is given to another by the scheduler, which holds it until it is done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import dask
import msgspec
from distributed import Client, Future, KilledWorker
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError

from dissonance.adapters.dask.work import (
    ScorerPlugin,
    pack_part,
    package_versions,
    score_part,
    unpack_scored,
)
from dissonance.decisions.scoring import ScorerSpecification
from dissonance.errors import ClusterError
from dissonance.ports.scoring import Part, Scored

CONNECT_TIMEOUT_S = 30.0
PARTS_A_THREAD = 2
"""Under way at once: one that is computed, one that is already there."""

SENDING = {"distributed.admin.large-graph-warning-threshold": "1TiB"}
"""A part is sent with its task, not put on one worker first: it must outlive every worker."""


class DaskCrew:
    """`ports.scoring.Crew`."""

    def __init__(self, address: str, specification: ScorerSpecification, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._specification = specification

    def score(self, parts: Iterable[Part]) -> Iterator[Scored]:
        """Raises `ClusterError`, and what a worker raised of ours."""
        with (
            translated(self._address),
            dask.config.set(SENDING),
            connected(self._address, self._timeout_s) as client,
        ):
            client.wait_for_workers(1, timeout=self._timeout_s)
            require_same_versions(client)
            plugin = f"dissonance-{self._specification.proposer.digest}-{client.id}"
            client.register_plugin(ScorerPlugin(plugin, msgspec.msgpack.encode(self._specification)))
            try:
                yield from self._scored(client, plugin, parts)
            finally:
                client.unregister_worker_plugin(plugin)

    def _scored(self, client: Client, plugin: str, parts: Iterable[Part]) -> Iterator[Scored]:
        under_way: deque[Future] = deque()
        for part in parts:
            under_way.append(client.submit(score_part, plugin, pack_part(part), pure=False))
            if len(under_way) > PARTS_A_THREAD * sum(client.nthreads().values()):
                yield unpack_scored(under_way.popleft().result())
        while under_way:
            yield unpack_scored(under_way.popleft().result())


def connected(address: str, timeout_s: float) -> Client:
    """Raises `ClusterError` for what cannot be an address; within `translated` also for one that does not answer."""
    try:
        return Client(address, timeout=timeout_s, set_as_default=False)
    except (ValueError, TypeError) as error:
        raise ClusterError(
            f"the address cannot be used: {error}", where=address, fix="give it as tcp://HOST:PORT or tls://…"
        ) from error


def require_same_versions(client: Client) -> None:
    """Raises `ClusterError` for a worker with other versions of what models are computed with."""
    own = package_versions()
    for worker, theirs in client.run(package_versions).items():
        if differing := [f"{name} {theirs[name]}, not {own[name]}" for name in own if theirs[name] != own[name]]:
            raise ClusterError(
                f"a worker has {'; '.join(differing)}", where=worker, fix="install the same release on every worker"
            )


@contextmanager
def translated(address: str) -> Iterator[None]:
    again = "then run the same command again: it goes on where it was cut"
    try:
        yield
    except KilledWorker as error:
        raise ClusterError(
            f"a part was lost with several workers: {error}",
            where=address,
            fix=f"give workers more memory; {again}",
        ) from error
    except (CommClosedError, FutureCancelledError, TimeoutError, asyncio.CancelledError, OSError) as error:
        raise ClusterError(
            f"the cluster does not answer: {error}", where=address, fix=f"see that scheduler and workers run; {again}"
        ) from error
    except ImportError as error:
        raise ClusterError(
            f"a worker cannot do it: {error}", where=address, fix="install dissonance[cluster] on every worker"
        ) from error
