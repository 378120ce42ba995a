"""Columns cut through many rows are those of each row decoded, whatever the rows are like."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.sealed import SealedRow
from dissonance.errors import SealBroken
from dissonance.security.row_columns import row_columns

encode = msgspec.msgpack.encode


def rows_of(width: int, answers: int) -> st.SearchStrategy[list[SealedRow]]:
    vectors = st.binary(min_size=8 * answers, max_size=8 * answers)
    features = st.binary(min_size=8 * width, max_size=8 * width)
    return st.lists(st.builds(SealedRow, features, vectors, vectors, st.integers(-40, 300), vectors), max_size=6)


@given(st.integers(0, 40).flatmap(lambda width: rows_of(width, width % 3).map(lambda rows: (width, rows))))
def test_rows_sealed_alike_are_cut_into_what_each_holds(given_rows: tuple[int, list[SealedRow]]) -> None:
    width, rows = given_rows
    found = row_columns([encode(row) for row in rows], width)
    assert [each.tobytes() for each in found.features] == [row.features for row in rows]
    assert found.features.shape == (len(rows), width)
    assert found.labels.tolist() == [row.label for row in rows]


def test_rows_of_different_releases_are_read_one_by_one() -> None:
    one, two = np.array([1.0, 2.0]).tobytes(), np.array([3.0, np.nan]).tobytes()
    before = encode((one, b"", b"", 1))  # without the field that came later
    found = row_columns([before, encode(SealedRow(two, label=2))], 2)
    np.testing.assert_array_equal(found.features, [[1.0, 2.0], [3.0, np.nan]])
    assert found.labels.tolist() == [1, 2]


def test_rows_of_the_same_length_whose_parts_differ_in_length_are_not_cut_alike() -> None:
    eight, sixteen = bytes(range(8)), bytes(range(16))
    rows = [SealedRow(eight, eight, sixteen, label=1), SealedRow(eight, sixteen, eight, label=2)]
    assert row_columns([encode(row) for row in rows], 1).labels.tolist() == [1, 2]


@pytest.mark.parametrize(("width", "reason"), [(1, "row 1 has 16 bytes"), (2, "row 0 has 8 bytes")])
def test_a_row_of_another_width_is_refused(width: int, reason: str) -> None:
    with pytest.raises(SealBroken, match=reason):
        row_columns([encode(SealedRow(bytes(8))), encode(SealedRow(bytes(16)))], width)


def test_rows_that_are_all_of_another_width_are_refused() -> None:
    with pytest.raises(SealBroken, match="row 0 has 8 bytes"):
        row_columns([encode(SealedRow(bytes(8)))] * 2, 2)


@pytest.mark.parametrize("plain", [[b"\xc1"], [encode(SealedRow(bytes(8))), b"\xc1" * 15]])
def test_what_is_no_row_is_refused(plain: list[bytes]) -> None:
    with pytest.raises(SealBroken, match="not a row"):
        row_columns(plain, 1)
