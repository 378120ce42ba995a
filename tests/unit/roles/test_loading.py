"""Pairs out of the registry: verified once a version, refused by name, never half kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dissonance.errors import ModelNotFound, ModelRefused
from dissonance.ports.registry import ModelRole
from dissonance.roles.loading import PAIRS_KEPT, RegistryLoader
from support.pairs import TASK, Shelf


def loader_of(shelf: Shelf) -> RegistryLoader:
    return RegistryLoader(shelf.registry, shelf.keys)


def test_production_is_the_pair_that_the_alias_names() -> None:
    shelf = Shelf()
    first, second = shelf.add(1), shelf.add(2)
    loader = loader_of(shelf)
    for made in (first, second, first):
        shelf.promote(made.proposer)
        serving = loader.production(TASK)
        assert (serving.version, serving.proposer_digest) == (made.proposer.version, made.proposer.digest)
        assert serving.critic_digest == made.critic.digest


def test_nothing_in_production_is_said_so() -> None:
    shelf = Shelf()
    shelf.add(1)
    with pytest.raises(ModelNotFound, match="in production"):
        loader_of(shelf).production(TASK)


def test_a_pair_that_production_moved_on_from_is_found_by_digest() -> None:
    shelf = Shelf()
    first, second = shelf.add(1), shelf.add(2)
    shelf.promote(second.proposer)
    assert loader_of(shelf).by_digest(TASK, first.proposer.digest).version == first.proposer.version


def test_an_unknown_digest_is_named() -> None:
    shelf = Shelf()
    shelf.add(1)
    with pytest.raises(ModelNotFound, match="0123456789ab"):
        loader_of(shelf).by_digest(TASK, "0123456789abcdef" * 4)


def test_a_version_is_fetched_and_verified_once() -> None:
    shelf = Shelf()
    made = shelf.add(1)
    shelf.promote(made.proposer)
    loader = loader_of(shelf)
    with ThreadPoolExecutor(4) as threads:
        served = list(threads.map(lambda _: loader.production(TASK), range(8)))
    assert len({id(serving.proposer) for serving in served}) == 1
    assert loader.by_digest(TASK, made.proposer.digest).proposer is served[0].proposer
    assert shelf.registry.fetched == 2


@pytest.mark.parametrize("role", ModelRole)
def test_a_tampered_pair_is_refused_and_loaded_once_it_holds_again(role: ModelRole) -> None:
    shelf = Shelf()
    made = shelf.add(1)
    shelf.promote(made.proposer)
    loader = loader_of(shelf)
    shelf.registry.damaged = frozenset({role})
    for _ in range(2):
        with pytest.raises(ModelRefused):
            loader.production(TASK)
    shelf.registry.damaged = frozenset()
    assert loader.production(TASK).proposer_digest == made.proposer.digest


def test_only_the_latest_pairs_are_kept() -> None:
    shelf = Shelf()
    made = shelf.add(1)
    loader = loader_of(shelf)
    first = loader.by_digest(TASK, made.proposer.digest)
    for number in range(PAIRS_KEPT):
        shelf.promote(shelf.add(1).proposer)
        assert loader.production(TASK).version == number + 2
    shelf.promote(made.proposer)
    assert loader.production(TASK).proposer is not first.proposer
