from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import KeyDestroyed, SealBroken
from dissonance.security.envelope import associated_data, open_sealed, seal
from dissonance.security.rows import (
    critic_matrix,
    features_matrix,
    label_row_id,
    open_rows,
    probabilities_matrix,
    reference_row_id,
    seal_rows,
)

TASK_ID = "ab" * 16
ADA, BOB = b"a" * 16, b"b" * 16
KEYS = {ADA: b"\x01" * 32, BOB: b"\x02" * 32}
IDS = [bytes([number]) * 16 for number in range(3)]

rows_of_people = st.lists(
    st.tuples(
        st.sampled_from([ADA, BOB]),
        st.binary(min_size=16, max_size=16),
        st.builds(
            SealedRow, st.binary(max_size=64), st.binary(max_size=16), st.binary(max_size=16), st.integers(-1, 9)
        ),
    ),
    max_size=8,
)


def numbers(*values: float) -> bytes:
    return np.array(values, dtype="<f8").tobytes()


def sealed_three(rows: list[SealedRow] | None = None) -> list[bytes]:
    rows = rows or [SealedRow(numbers(i, i)) for i in range(3)]
    return seal_rows(KEYS, TASK_ID, IDS, [ADA, BOB, ADA], rows, SeededRandomness())


@given(rows_of_people)
def test_sealed_rows_open_to_what_they_were(people: list[tuple[bytes, bytes, SealedRow]]) -> None:
    data_subjects, ids, rows = ([person[i] for person in people] for i in range(3))
    sealed = seal_rows(KEYS, TASK_ID, ids, data_subjects, rows, SeededRandomness())
    assert open_rows(KEYS, TASK_ID, ids, data_subjects, sealed) == rows


@given(
    st.tuples(st.text(max_size=8), st.binary(max_size=8), st.sampled_from([ADA, BOB])),
    st.tuples(st.text(max_size=8), st.binary(max_size=8), st.sampled_from([ADA, BOB])),
)
def test_sealed_row_opens_only_in_its_own_place(own: tuple[str, bytes, bytes], other: tuple[str, bytes, bytes]) -> None:
    same_key = {ADA: b"\x01" * 32, BOB: b"\x01" * 32}
    row = SealedRow(numbers(1.0))
    sealed = seal_rows(same_key, own[0], [own[1]], [own[2]], [row], SeededRandomness())
    if associated_data(*own) == associated_data(*other):
        assert open_rows(same_key, other[0], [other[1]], [other[2]], sealed) == [row]
    else:
        with pytest.raises(SealBroken):
            open_rows(same_key, other[0], [other[1]], [other[2]], sealed)


def test_rows_are_sealed_as_the_envelope_says() -> None:
    row = SealedRow(numbers(1.0, 2.0), label=1)
    blob = seal_rows(KEYS, TASK_ID, IDS[:1], [ADA], [row], SeededRandomness())[0]
    plain = open_sealed(KEYS[ADA], blob, associated_data(TASK_ID, IDS[0], ADA))
    again = seal(KEYS[ADA], b"n" * 12, plain, associated_data(TASK_ID, IDS[0], ADA))
    assert open_rows(KEYS, TASK_ID, IDS[:1], [ADA], [again]) == [row]


def test_equal_rows_are_sealed_to_different_bytes() -> None:
    row = SealedRow(numbers(1.0))
    sealed = seal_rows(KEYS, TASK_ID, IDS[:1] * 2, [ADA, ADA], [row, row], SeededRandomness())
    assert sealed[0] != sealed[1]


def test_rows_of_an_erased_data_subject_are_none_and_the_others_open() -> None:
    opened = open_rows({ADA: KEYS[ADA]}, TASK_ID, IDS, [ADA, BOB, ADA], sealed_three())
    assert [row is None for row in opened] == [False, True, False]


def test_sealing_for_a_data_subject_without_a_key_is_refused() -> None:
    with pytest.raises(KeyDestroyed):
        seal_rows({ADA: KEYS[ADA]}, TASK_ID, IDS[:1], [BOB], [SealedRow(b"")], SeededRandomness())


@pytest.mark.parametrize("position", [0, 1, 12, 13, -1])
def test_any_changed_byte_breaks_the_seal_and_the_row_is_named(position: int) -> None:
    sealed = sealed_three()
    broken = bytearray(sealed[1])
    broken[position] ^= 1
    with pytest.raises(SealBroken) as caught:
        open_rows(KEYS, TASK_ID, IDS, [ADA, BOB, ADA], [sealed[0], bytes(broken), sealed[2]])
    assert caught.value.where == f"row {IDS[1].hex()}"


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x02" * 40])
def test_bytes_that_were_never_sealed_are_refused(blob: bytes) -> None:
    with pytest.raises(SealBroken, match="not sealed bytes"):
        open_rows(KEYS, TASK_ID, IDS[:1], [ADA], [blob])


def test_sealed_bytes_that_are_no_row_are_refused() -> None:
    blob = seal(KEYS[ADA], b"n" * 12, b"\xc1", associated_data(TASK_ID, IDS[0], ADA))
    with pytest.raises(SealBroken, match="not a row"):
        open_rows(KEYS, TASK_ID, IDS[:1], [ADA], [blob])


def test_label_does_not_open_as_the_row_it_belongs_to() -> None:
    label = seal_rows(KEYS, TASK_ID, [label_row_id(IDS[0])], [ADA], [SealedRow(b"", label=1)], SeededRandomness())
    assert open_rows(KEYS, TASK_ID, [label_row_id(IDS[0])], [ADA], label) == [SealedRow(b"", label=1)]
    with pytest.raises(SealBroken):
        open_rows(KEYS, TASK_ID, IDS[:1], [ADA], label)


def test_row_ids_of_reference_rows_are_eight_bytes_in_file_order() -> None:
    ids = [reference_row_id(number) for number in (0, 1, 255, 256, 2**40)]
    assert ids == sorted(set(ids))
    assert {len(each) for each in ids} == {8}


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        open_rows(KEYS, TASK_ID, IDS, [ADA], sealed_three())


def test_matrices_have_one_line_a_row_and_keep_what_is_missing() -> None:
    rows = [
        SealedRow(numbers(1.0, float("nan")), numbers(0.25, 0.75), numbers(0.5, 0.5)),
        SealedRow(numbers(3.0, 4.0), numbers(1.0, 0.0), numbers(0.0, 1.0)),
    ]
    np.testing.assert_array_equal(features_matrix(rows, 2), [[1.0, np.nan], [3.0, 4.0]])
    np.testing.assert_array_equal(probabilities_matrix(rows, 2), [[0.25, 0.75], [1.0, 0.0]])
    np.testing.assert_array_equal(critic_matrix(rows, 2), [[0.5, 0.5], [0.0, 1.0]])
    assert features_matrix([], 5).shape == (0, 5)


def test_rows_of_another_width_make_no_matrix() -> None:
    with pytest.raises(SealBroken, match="row 1"):
        features_matrix([SealedRow(numbers(1.0, 2.0)), SealedRow(numbers(1.0))], 2)
