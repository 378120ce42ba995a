"""What workers of a Dask cluster do: open the models once, then score parts.

Models travel as plain bytes of artefacts that the client verified, and are opened here as everywhere; no key comes
here. Functions and the plugin are found by name in the installed package.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec
import numpy as np
from distributed import WorkerPlugin, get_worker

from dissonance.decisions.scoring import Scorer, ScorerSpecification
from dissonance.decisions.tables import table_bytes, table_of
from dissonance.ports.scoring import BrokenRow, Part, Scored

PACKAGES = ("dissonance", "lightgbm", "numpy", "pyarrow", "scikit-learn", "scipy", "skops")
"""Where these are the same, answers are the same to the bit."""


class ScorerPlugin(WorkerPlugin):  # type: ignore[misc] # distributed is taken as untyped
    """The scheduler hands it to every worker, also to one that comes later in the place of a lost one."""

    def __init__(self, name: str, specification: bytes) -> None:
        self.name = name
        self.specification = specification

    def setup(self, worker: Any) -> None:
        self.scorer = Scorer(msgspec.msgpack.decode(self.specification, type=ScorerSpecification))


class _Sent(msgspec.Struct, frozen=True, array_like=True):
    number: int
    rows: bytes
    table: bytes
    broken: list[tuple[int, str]]


class _Returned(msgspec.Struct, frozen=True, array_like=True):
    number: int
    read: int
    answers: bytes
    rejected: bytes


def score_part(plugin: str, sent: bytes) -> bytes:
    """Runs on a worker."""
    scorer: Scorer = get_worker().plugins[plugin].scorer
    return pack_scored(scorer.score(unpack_part(sent)))


def package_versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def pack_part(part: Part) -> bytes:
    broken = [(each.row, each.what) for each in part.broken]
    return msgspec.msgpack.encode(_Sent(part.number, part.rows.tobytes(), table_bytes(part.table), broken))


def unpack_part(sent: bytes) -> Part:
    part = msgspec.msgpack.decode(sent, type=_Sent)
    broken = tuple(BrokenRow(row, what) for row, what in part.broken)
    return Part(part.number, np.frombuffer(part.rows, dtype=np.int64), table_of(part.table), broken)


def pack_scored(scored: Scored) -> bytes:
    returned = _Returned(scored.number, scored.read, table_bytes(scored.answers), table_bytes(scored.rejected))
    return msgspec.msgpack.encode(returned)


def unpack_scored(returned: bytes) -> Scored:
    scored = msgspec.msgpack.decode(returned, type=_Returned)
    return Scored(scored.number, scored.read, table_of(scored.answers), table_of(scored.rejected))
