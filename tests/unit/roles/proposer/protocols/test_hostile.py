"""Whatever anybody sends in any protocol is answered or refused, never a defect of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.web.arrow_bodies import ARROW
from support.protocols import JSON, ask
from support.walk import Walk

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["red", "p1", "x", "FP64", "BYTES", "INT64", "yes", ""]),
    st.text(max_size=4),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)
NAMES = st.sampled_from(["x", "colour", "person", "at", "input-0", "other"])
SHAPES = st.lists(st.integers(-1, 3) | st.just(2**40), max_size=3)
DATATYPES = st.sampled_from(["FP64", "FP32", "INT64", "UINT8", "BYTES", "BOOL", "BF16", ""])
COLUMN = st.lists(SCALARS, max_size=3)
TENSOR = st.fixed_dictionaries(
    {"name": NAMES, "datatype": DATATYPES, "shape": SHAPES},
    optional={"data": COLUMN | ANYTHING, "parameters": st.dictionaries(st.just("binary_data_size"), SCALARS)},
)
FRAME = st.fixed_dictionaries({"columns": st.lists(NAMES, max_size=3), "data": st.lists(COLUMN, max_size=3)})
INVOCATION = st.dictionaries(
    st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "params"]),
    FRAME | st.lists(st.dictionaries(NAMES, SCALARS), max_size=3) | st.dictionaries(NAMES, COLUMN) | ANYTHING,
    max_size=2,
)
CELLS = st.lists(st.lists(st.text(max_size=4) | st.sampled_from(["0.5", "red", "p1"]), max_size=4), max_size=4)


class Asked:
    """One walk on one loop for every example."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._walk = runner.run(Walk.open())

    def __call__(self, path: str, body: Any, headers: dict[str, str], problem: str = "") -> None:
        reply = self._runner.run(ask(self._walk, path, body, headers))
        assert reply.status < 500, (body, reply.body)
        if reply.status != 200 or problem:
            assert reply.json()["type"].startswith(f"urn:dissonance:problem:{problem}")


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    with asyncio.Runner() as runner:
        yield Asked(runner)


@given(
    body=st.fixed_dictionaries({"inputs": st.lists(TENSOR, max_size=4)}, optional={"outputs": ANYTHING}),
    more=st.binary(max_size=30),
)
def test_open_inference(asked: Asked, body: dict[str, Any], more: bytes) -> None:
    data = msgspec.json.encode(body)
    asked("/v2/models/toy/infer", data, JSON)
    asked("/v2/models/toy/infer", data + more, {"inference-header-content-length": str(len(data))})


@given(INVOCATION)
def test_mlflow(asked: Asked, body: dict[str, Any]) -> None:
    asked("/invocations", msgspec.json.encode(body), JSON)


@given(CELLS, st.sampled_from(["x,colour,person\n", ""]))
def test_csv(asked: Asked, cells: list[list[str]], header: str) -> None:
    text = header + "\n".join(",".join(line) for line in cells)
    asked("/invocations", text.encode(errors="surrogatepass"), {"content-type": "text/csv"})


NINES = "9" * 4_299
"""As many digits as Python still reads."""


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/tasks/toy/predict", f'{{"rows": [{{"x": {NINES}, "colour": "red", "person": "p"}}]}}', JSON),
        ("/v1/tasks/toy/predict", f'{{"rows": [{{"x": 0.5, "colour": "red", "person": {NINES}}}]}}', JSON),
        ("/v1/tasks/toy/predict", f'{{"rows": [{{"x": 0.5, "colour": "red", "person": "p", "at": {NINES}}}]}}', JSON),
        (
            "/v2/models/toy/infer",
            f'{{"inputs": [{{"name": "x", "datatype": "FP64", "shape": [{NINES}, {NINES}], "data": [{NINES}]}}]}}',
            JSON,
        ),
        ("/v2/models/toy/infer", "{}", {**JSON, "inference-header-content-length": "9" * 5_000}),
        ("/v2/models/toy/infer", "{}", {**JSON, "inference-header-content-length": "\xb2"}),
        ("/invocations", f'{{"instances": [[{NINES}, "red"]]}}', JSON),
        ("/invocations", f"x,colour,person,at\n0.5,red,p,{NINES}9999\n", {"content-type": "text/csv"}),
    ],
)
def test_numbers_of_thousands_of_digits(asked: Asked, path: str, body: str, headers: dict[str, str]) -> None:
    asked(path, body.encode(), headers)


def test_lines_beyond_the_limit_of_a_request_are_not_read(asked: Asked) -> None:
    """What comes after them would be no CSV: nobody looked."""
    text = "x,colour,person\n" + "0.5,red,p\n" * 51 + '"broken'
    asked("/invocations", text.encode(), {"content-type": "text/csv"}, "too-many-rows")


@given(st.binary(max_size=200))
def test_bytes(asked: Asked, body: bytes) -> None:
    for path, media_type in (
        ("/v2/models/toy/infer", ""),
        ("/invocations", "text/csv"),
        ("/invocations", "application/json"),
    ):
        asked(path, body, {"content-type": media_type})
    asked("/v1/tasks/toy/predict", body, {"content-type": ARROW, "accept": ARROW})
