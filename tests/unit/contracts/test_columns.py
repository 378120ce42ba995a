from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.columns import columns, concatenated, derived_id, pieces, selected
from dissonance.contracts.events import Experienced


def experienced(ids: list[bytes]) -> Experienced:
    return Experienced(
        event_id="e",
        task_id="t",
        produced_at_us=1,
        producer="learner",
        prediction_ids=ids,
        event_times_us=list(range(len(ids))),
        first_stored=len(ids),
    )


IDS = st.lists(st.binary(min_size=16, max_size=16), max_size=50)


@given(IDS, st.integers(1, 20))
def test_pieces_put_together_are_the_whole(ids: list[bytes], size: int) -> None:
    event = experienced(ids)
    cut = list(pieces(event, max_rows=size))
    assert all(piece.rows <= size for piece in cut)
    assert columns(concatenated(cut, "e")) == columns(event)


def test_pieces_of_one_event_have_different_ids() -> None:
    cut = list(pieces(experienced([bytes(16)] * 5), max_rows=2))
    assert len({piece.event_id for piece in cut}) == 3


def test_an_event_that_fits_keeps_its_id() -> None:
    assert [piece.event_id for piece in pieces(experienced([bytes(16)]))] == ["e"]


def test_selected_keeps_columns_aligned() -> None:
    kept = selected(experienced([b"a", b"b", b"c"]), [2, 0], "f")
    assert (kept.prediction_ids, kept.event_times_us, kept.event_id) == ([b"c", b"a"], [2, 0], "f")


def test_derived_ids_depend_on_kind_and_on_each_cause() -> None:
    ids = {
        derived_id("a", ["x", "y"]),
        derived_id("b", ["x", "y"]),
        derived_id("a", ["xy"]),
        derived_id("a", ["y", "x"]),
    }
    assert len(ids) == 4
