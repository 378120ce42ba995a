"""A registered pair may answer and doubt only when all of it holds: bytes, seal, parent, version."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.pairs import critic_of, find_version, load_pair
from dissonance.errors import EngineUnavailable, ModelDowngraded, ModelNotFound, ModelRefused, ModelTampered
from dissonance.ports.registry import ModelRole
from dissonance.security.artefacts import ArtefactKeys
from support.distributions import labelled_rows
from support.pairs import TASK, Shelf, fitted

FEATURES, _ = labelled_rows(50, 9)


def test_a_pair_that_holds_is_opened_and_says_what_was_fitted() -> None:
    shelf = Shelf()
    made = shelf.add(1)
    pair = load_pair(shelf.registry, shelf.keys, TASK, made.proposer)
    proposer, critic = fitted(1)
    p = pair.proposer.probabilities(FEATURES)
    np.testing.assert_array_equal(p, proposer.probabilities(FEATURES))
    np.testing.assert_array_equal(pair.critic.confidence(FEATURES, p), critic.confidence(FEATURES, p))
    assert (pair.artefact.digest, pair.critic_artefact.digest) == (made.proposer.digest, made.critic.digest)


@pytest.mark.parametrize("role", ModelRole)
def test_a_pair_of_which_one_bit_changed_is_refused(role: ModelRole) -> None:
    shelf = Shelf()
    made = shelf.add(1)
    shelf.registry.damaged = frozenset({role})
    with pytest.raises(ModelTampered, match=rf"{TASK.name} version 1 \({role}, artefact\.bin\): .*seal is broken"):
        load_pair(shelf.registry, shelf.keys, TASK, made.proposer)


def test_a_pair_that_another_key_signed_is_refused() -> None:
    shelf = Shelf()
    made = shelf.add(1)
    others = ArtefactKeys.from_seed(shelf.keys.sealing, b"\x07" * 32)
    with pytest.raises(ModelRefused, match="another key"):
        load_pair(shelf.registry, others, TASK, made.proposer)


def test_a_pair_made_for_another_schema_is_refused() -> None:
    shelf = Shelf()
    made = shelf.add(1)
    changed = msgspec.structs.replace(TASK, schema=FeatureSchema((Feature("first", FeatureKind.NUMBER),)))
    with pytest.raises(ModelRefused, match="schema"):
        load_pair(shelf.registry, shelf.keys, changed, made.proposer)


def test_a_critic_that_was_made_for_another_proposer_is_refused_although_the_registry_vouches_for_it() -> None:
    shelf = Shelf()
    first, second = shelf.add(1), shelf.add(2)
    critics = shelf.registry._models[TASK.task_id, ModelRole.CRITIC].versions
    critics[:] = [msgspec.structs.replace(first.critic, parent=second.proposer.version)]
    with pytest.raises(ModelRefused, match="another proposer"):
        load_pair(shelf.registry, shelf.keys, TASK, second.proposer)


@pytest.mark.parametrize("vouched", [False, True])
def test_an_older_proposer_in_the_place_of_a_newer_one_is_refused_although_the_registry_vouches_for_it(
    vouched: bool,
) -> None:
    shelf = Shelf()
    first, second = shelf.add(1), shelf.add(2)
    stored = shelf.registry._models[TASK.task_id, ModelRole.PROPOSER]
    stored.artefacts[1] = stored.artefacts[0]
    asked = msgspec.structs.replace(second.proposer, digest=first.proposer.digest) if vouched else second.proposer
    with pytest.raises(ModelDowngraded, match="version 1, put in the place of 2"):
        load_pair(shelf.registry, shelf.keys, TASK, asked)


def test_another_model_made_as_the_same_version_is_refused() -> None:
    shelf, other = Shelf(), Shelf()
    first, _ = shelf.add(1), other.add(2)
    stored = shelf.registry._models[TASK.task_id, ModelRole.PROPOSER]
    stored.artefacts[0] = other.registry.artefact(TASK.task_id, ModelRole.PROPOSER, 1)
    with pytest.raises(ModelDowngraded, match="not the model that was registered"):
        load_pair(shelf.registry, shelf.keys, TASK, first.proposer)


def test_the_critic_of_a_proposer_is_the_newest_that_names_it() -> None:
    shelf = Shelf()
    first, second = shelf.add(1), shelf.add(2)
    assert critic_of(shelf.registry, TASK, first.proposer).digest == first.critic.digest
    again = shelf.add_again(first.critic, parent=first.proposer.version)
    assert critic_of(shelf.registry, TASK, first.proposer).version == again.version
    assert critic_of(shelf.registry, TASK, second.proposer).digest == second.critic.digest


def test_a_proposer_without_a_critic_is_named() -> None:
    shelf = Shelf()
    alone = shelf.add_again(shelf.add(1).proposer)
    with pytest.raises(ModelNotFound, match="version 2 has no critic"):
        load_pair(shelf.registry, shelf.keys, TASK, alone)


def test_a_version_is_found_by_number_or_is_the_newest() -> None:
    shelf = Shelf()
    first, second = shelf.add(1), shelf.add(2)
    assert find_version(shelf.registry, TASK, 1).digest == first.proposer.digest
    assert find_version(shelf.registry, TASK, None).digest == second.proposer.digest
    with pytest.raises(ModelNotFound) as raised:
        find_version(shelf.registry, TASK, 3)
    assert "1, 2" in raised.value.fix


def test_a_registry_that_is_away_says_so() -> None:
    shelf = Shelf()
    made = shelf.add(1)
    shelf.registry.available = False
    with pytest.raises(EngineUnavailable):
        load_pair(shelf.registry, shelf.keys, TASK, made.proposer)
