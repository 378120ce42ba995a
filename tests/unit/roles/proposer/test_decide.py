from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dissonance.roles.proposer.decide import answers, how_many_fit, idempotency_hash, shares


def test_first_class_wins_a_tie() -> None:
    assert answers([[0.5, 0.5], [0.2, 0.8]]) == [0, 1]


@given(st.lists(st.integers(1, 30), min_size=1), st.integers(1, 60))
def test_a_batch_holds_at_least_one_request_and_no_more_rows_than_the_limit(sizes: list[int], limit: int) -> None:
    count = how_many_fit(sizes, limit)
    assert 1 <= count <= len(sizes)
    assert count == 1 or sum(sizes[:count]) <= limit
    assert count == len(sizes) or sum(sizes[: count + 1]) > limit


@given(st.lists(st.integers(1, 30), min_size=1))
def test_shares_cover_the_batch_without_gap_or_overlap(sizes: list[int]) -> None:
    cut = shares(sizes)
    assert cut[0].start == 0
    assert cut[-1].end == sum(sizes)
    assert all(left.end == right.start for left, right in pairwise(cut))


def test_the_same_key_of_another_client_or_task_is_another_key() -> None:
    assert len({idempotency_hash(*parts) for parts in (("t", "a", "k"), ("t", "b", "k"), ("u", "a", "k"))}) == 3
