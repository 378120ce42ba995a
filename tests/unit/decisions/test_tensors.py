"""Tensors keep their elements through bytes, and are refused where elements, datatype and shape do not agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.decisions.tensors import BYTES, DTYPES, bytes_of, datatype_of, tensor_of_bytes, tensor_of_json
from dissonance.errors import InputError, MalformedBody, WrongType


def elements(datatype: str) -> st.SearchStrategy[Any]:
    if datatype == BYTES:
        return st.text(max_size=5)
    dtype = DTYPES[datatype]
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind == "f":
        return st.floats(width=8 * dtype.itemsize, allow_nan=False)
    limits = np.iinfo(dtype)
    return st.integers(int(limits.min), int(limits.max))


@given(st.data())
def test_elements_come_through_bytes_and_through_json_as_they_were(data: st.DataObject) -> None:
    datatype = data.draw(st.sampled_from([*DTYPES, BYTES]))
    values = data.draw(st.lists(elements(datatype), max_size=6))
    shape = [len(values), 1]
    read = tensor_of_bytes("x", datatype, shape, bytes_of(datatype, values), "inputs[0]")
    assert read == ("x", datatype, tuple(shape), values)
    assert tensor_of_json("x", datatype, shape, values, "inputs[0]") == read
    assert tensor_of_json("x", datatype, shape, [[value] for value in values], "inputs[0]") == read


@given(st.sampled_from([*DTYPES, BYTES]), st.lists(st.integers(0, 3), min_size=1, max_size=2), st.binary(max_size=40))
def test_bytes_of_anybody_are_a_tensor_or_a_refusal(datatype: str, shape: list[int], raw: bytes) -> None:
    try:
        tensor = tensor_of_bytes("x", datatype, shape, raw, "inputs[0]")
    except InputError as error:
        assert error.where.startswith("inputs[0]")
    else:
        assert len(tensor.values) == int(np.prod(shape))


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("INT64", 1.0),
        ("INT64", True),
        ("INT64", "1"),
        ("INT8", 128),
        ("UINT8", -1),
        ("UINT64", 2**64),
        ("FP64", "1.5"),
        ("FP64", True),
        ("BYTES", 1),
        ("BOOL", 1),
        ("BOOL", "true"),
        ("FP32", [1.0]),
    ],
)
def test_an_element_that_is_not_of_the_datatype_is_named(datatype: str, value: Any) -> None:
    good: dict[str, Any] = {"BYTES": "a", "BOOL": True}
    with pytest.raises(WrongType) as caught:
        tensor_of_json("x", datatype, [2], [good.get(datatype, 1), value], "inputs[3]")
    assert caught.value.where == "inputs[3].data[1]"


def test_null_is_left_to_the_schema() -> None:
    assert tensor_of_json("x", "INT64", [1], [None], "inputs[0]").values == [None]


@pytest.mark.parametrize("shape", [[], [1, 1, 1], [-1], [2, -1]])
def test_what_is_neither_column_nor_matrix_is_refused(shape: list[int]) -> None:
    with pytest.raises(MalformedBody) as caught:
        tensor_of_json("x", "FP64", shape, [], "inputs[0]")
    assert caught.value.where == "inputs[0].shape"


@pytest.mark.parametrize("datatype", ["BF16", "fp64", "", "STRING"])
def test_a_datatype_that_is_not_read_is_answered_with_those_that_are(datatype: str) -> None:
    with pytest.raises(WrongType) as caught:
        tensor_of_bytes("x", datatype, [1], b"ab", "inputs[0]")
    assert "FP64" in caught.value.fix


def test_a_shape_that_says_more_than_came_is_refused() -> None:
    with pytest.raises(MalformedBody, match="1 elements"):
        tensor_of_json("x", "FP64", [10**12], [1.0], "inputs[0]")
    with pytest.raises(MalformedBody, match="8 bytes"):
        tensor_of_bytes("x", "FP64", [10**12, 10**12], bytes(8), "inputs[0]")


@pytest.mark.parametrize("raw", [b"\x01", b"\x02\x00\x00\x00a", b"\x00\x00\x00\x00\xff\xff\xff\xff"])
def test_a_text_that_ends_too_early_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedBody, match="ends too early"):
        tensor_of_bytes("x", BYTES, [1], raw, "inputs[0]")


def test_a_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(WrongType, match="UTF-8"):
        tensor_of_bytes("x", BYTES, [1], b"\x01\x00\x00\x00\xff", "inputs[0]")


def test_the_datatype_of_classes_is_the_narrowest_that_holds_them() -> None:
    assert [datatype_of([True, False]), datatype_of([0, 1]), datatype_of(["0", 1])] == ["BOOL", "INT64", BYTES]
    assert datatype_of([0, 2**63]) == "FP64"
