"""A plain prediction and the same one by the long way are answered alike, whatever is sent; neither is a defect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.asgi import Reply, request
from support.walk import Walk, row

PATH = "/v1/tasks/toy/predict"
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["red", "blue", "p1", "2020-01-01T00:00:00Z", "green", "", 0.5, 1, 1.0]),
    st.text(max_size=4),
    st.lists(st.integers(), max_size=1),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"x": st.floats(0.0, 1.0) | SCALARS, "colour": st.sampled_from(["red", "blue", None]) | SCALARS},
        optional={"person": st.just("p1") | SCALARS, "at": st.just(1.5) | SCALARS, "other": SCALARS},
    ),
    max_size=3,
)
BODIES = ROWS.map(lambda rows: msgspec.json.encode({"rows": rows})) | st.binary(max_size=40)
PIECES = st.tuples(st.integers(0, 200), st.integers(0, 200), st.binary(max_size=3))


class TwoWays:
    """One walk on one loop for every example."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.walk = runner.run(self._open())

    async def _open(self) -> Walk:
        return await Walk.open()

    def both(self, body: bytes) -> tuple[Reply, Reply]:
        return self._ask("application/json", body), self._ask("application/json; charset=utf-8", body)

    def _ask(self, content_type: str, body: bytes) -> Reply:
        headers = {**self.walk.access.header("client"), "content-type": content_type}
        return self._runner.run(request(self.walk.app, "POST", PATH, headers=headers, body=body))


@pytest.fixture(scope="module")
def two_ways() -> Iterator[TwoWays]:
    with asyncio.Runner() as runner:
        yield TwoWays(runner)


def said(reply: Reply) -> Any:
    """What depends on nothing but what was asked."""
    answer = reply.json()
    if reply.status == 200:
        return [(each["class"], each["probabilities"]) for each in answer["predictions"]]
    return answer["type"]


@given(body=BODIES)
def test_both_ways_say_the_same_of_whatever_is_sent(two_ways: TwoWays, body: bytes) -> None:
    plain, long = two_ways.both(body)
    assert plain.status in (200, 400, 413, 422)
    assert (plain.status, said(plain)) == (long.status, said(long))


@given(piece=PIECES)
def test_both_ways_say_the_same_of_a_damaged_body(two_ways: TwoWays, piece: tuple[int, int, bytes]) -> None:
    whole = msgspec.json.encode({"rows": [row(), row(0.1, "p2")]})
    start, end, put = piece
    plain, long = two_ways.both(whole[:start] + put + whole[end:])
    assert plain.status in (200, 400, 422)
    assert (plain.status, said(plain)) == (long.status, said(long))


def test_of_two_wrong_things_both_ways_name_the_same(two_ways: TwoWays) -> None:
    plain, long = two_ways.both(b'{"rows":[{"x":0.0,"colour":"p1"}]}')
    assert said(plain) == said(long) == "urn:dissonance:problem:unseen-category"
