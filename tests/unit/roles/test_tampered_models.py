"""Whatever is done to a stored model, it is refused by an error of its own and the old one keeps serving."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable

import msgspec
import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import schema_digest
from dissonance.decisions.pairs import load_pair
from dissonance.errors import (
    ModelDowngraded,
    ModelForeign,
    ModelRefused,
    ModelTampered,
    ModelUnsigned,
    ModelUnsupported,
)
from dissonance.ports.registry import ModelRole
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.loading import RegistryLoader
from dissonance.security import artefacts
from dissonance.security.artefacts import ArtefactKeys, Expected, pack, unpack
from dissonance.security.envelope import seal
from support.pairs import TASK, Shelf

NONCE = b"\x05" * 12


def changed_byte(shelf: Shelf, stored: list[bytes]) -> bytes:
    return stored[1][:-1] + bytes([stored[1][-1] ^ 1])


def without_signature(shelf: Shelf, stored: list[bytes]) -> bytes:
    """By somebody who has the sealing key, and not the signing key."""
    opened = unpacked(shelf, stored[1])
    inner = msgspec.msgpack.encode([opened.manifest_json, b"", opened.files])
    bound = f"dissonance-model|{TASK.task_id}|proposer|{opened.digest}".encode()
    sealed = seal(shelf.keys.sealing, NONCE, inner, bound)
    return msgspec.msgpack.encode([artefacts.MAGIC, TASK.task_id, "proposer", opened.digest, sealed])


def signed_by_another(shelf: Shelf, stored: list[bytes]) -> bytes:
    opened = unpacked(shelf, stored[1])
    others = ArtefactKeys.from_seed(shelf.keys.sealing, b"\x09" * 32)
    return pack(opened.manifest, opened.files, others, NONCE)[0]


def older_version(shelf: Shelf, stored: list[bytes]) -> bytes:
    return stored[0]


def a_pickle(shelf: Shelf, stored: list[bytes]) -> bytes:
    return pickle.dumps({"predict": 1})


def unpacked(shelf: Shelf, data: bytes) -> artefacts.Artefact:
    return unpack(data, shelf.keys, Expected(TASK.task_id, "proposer", schema_digest(TASK.schema), TASK.classes))


@pytest.mark.parametrize(
    ("tamper", "error"),
    [
        (changed_byte, ModelTampered),
        (without_signature, ModelUnsigned),
        (signed_by_another, ModelForeign),
        (older_version, ModelDowngraded),
        (a_pickle, ModelUnsupported),
    ],
)
def test_a_tampered_model_is_refused_and_the_old_one_keeps_serving(
    tamper: Callable[[Shelf, list[bytes]], bytes], error: type[ModelRefused]
) -> None:
    asyncio.run(_serves_the_old_one(tamper, error))


async def _serves_the_old_one(tamper: Callable[[Shelf, list[bytes]], bytes], error: type[ModelRefused]) -> None:
    shelf = Shelf()
    first, second = shelf.add(1), shelf.add(2)
    store = MemoryStore(FixedClock())
    await store.create(TASK, Policy())
    catalogue = Catalogue(store, RegistryLoader(shelf.registry, shelf.keys), MemoryBus(FixedClock()))
    shelf.promote(first.proposer)
    await catalogue.by_name(TASK.name)
    assert (await catalogue.production(TASK)).version == 1
    stored = shelf.registry._models[TASK.task_id, ModelRole.PROPOSER].artefacts
    whole = stored[1]
    stored[1] = tamper(shelf, stored)
    shelf.promote(second.proposer)
    await catalogue.refresh_all()
    assert (await catalogue.production(TASK)).version == 1
    with pytest.raises(error) as raised:
        load_pair(shelf.registry, shelf.keys, TASK, second.proposer)
    assert type(raised.value) is error
    stored[1] = whole
    await catalogue.refresh_all()
    assert (await catalogue.production(TASK)).version == 2
