from __future__ import annotations

import numpy as np
import pyarrow as pa

from dissonance.adapters.dask.work import (
    PACKAGES,
    pack_part,
    pack_scored,
    package_versions,
    unpack_part,
    unpack_scored,
)
from dissonance.ports.scoring import BrokenRow, Part, Scored


def test_a_part_arrives_as_it_was_sent() -> None:
    table = pa.table({"x": [1.5, None], "k": pa.array([b"\xff", b""])})
    part = Part(7, np.array([3, 9]), table, (BrokenRow(4, "no row"),))
    found = unpack_part(pack_part(part))
    assert (found.number, found.rows.tolist(), found.broken) == (7, [3, 9], part.broken)
    assert found.table.equals(table)


def test_what_was_scored_comes_back_as_it_was() -> None:
    scored = Scored(7, 3, pa.table({"row": [3, 9]}), pa.table({"row": [4], "what": ["no row"]}))
    found = unpack_scored(pack_scored(scored))
    assert found.answers.equals(scored.answers)
    assert found.rejected.equals(scored.rejected)
    assert (found.number, found.read) == (7, 3)


def test_versions_are_of_what_models_are_computed_with() -> None:
    assert set(package_versions()) == set(PACKAGES)
