"""The two databases: prepared by their owner, once, and opened by parts that are not the owner (ADR 63)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from dissonance.adapters.anchors.folder import AnchorFolder
from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.keys.parts import FolderKeyParts
from dissonance.adapters.postgres import database
from dissonance.adapters.postgres.granting import grant_rights
from dissonance.adapters.postgres.keys import PostgresDataSubjectKeys
from dissonance.adapters.postgres.migrate import Schema, migrate
from dissonance.adapters.postgres.plain_texts import seal_plain_texts
from dissonance.adapters.postgres.rights import as_part
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.pipeline.subjects.again import erase_again, require_none_forgotten
from dissonance.ports.anchors import Anchors
from dissonance.ports.breaker import Breakers
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.store import Store
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.signatures import seed_of
from dissonance.security.text_seal import TextSeal
from dissonance.settings import Settings

SEALED_AT_ONCE = 100_000
"""Rows of before that a start seals; it takes seconds."""

CLEARED_AT_ONCE = 2**26
"""Bytes of the largest table whose file a start writes anew; it takes seconds, in which nobody else uses the table."""


class Stores(NamedTuple):
    store: Store
    keys: DataSubjectKeys


async def prepare_databases(settings: Settings, addresses: EngineAddresses, key_folder: KeyFolder) -> None:
    """What needs the owner: schemas at this version, rights of the parts, the first keys, what is still in plain sealed
    (of much of it a part: `dissonance database seal` does the rest), and after a restore the erasures that it forgot.

    Rights in databases of others are granted by who runs those (`dissonance database rights`). Raises
    `EngineUnavailable`, `SealBroken`, or `EngineError` for a database of a newer version.
    """
    await asyncio.to_thread(_prepare, addresses.database_url, Schema.EXPERIENCE, ours=not settings.database_url)
    await asyncio.to_thread(
        _prepare, addresses.keys_database_url, Schema.DATA_SUBJECT_KEYS, ours=not settings.keys_database_url
    )
    clock = SystemClock()
    async with _opened(settings, addresses, key_folder, clock, SystemRandomness(), Breakers(clock)) as (store, keys):
        await keys.ready()  # before anything is sealed: this key folder is that of these databases
        await asyncio.to_thread(
            seal_plain_texts,
            addresses.database_url,
            text_seal_of(key_folder),
            most_rows=SEALED_AT_ONCE,
            most_bytes=CLEARED_AT_ONCE,
        )
        await erase_again(store, keys, erasure_notes(settings), artefact_keys_of(key_folder).verification)


def _prepare(url: str, schema: Schema, *, ours: bool) -> None:
    migrate(url, schema)
    if ours:
        grant_rights(url, schema)


@asynccontextmanager
async def open_databases(
    settings: Settings,
    addresses: EngineAddresses,
    key_folder: KeyFolder,
    clock: Clock,
    randomness: Randomness,
    breakers: Breakers,
    known_as: str,
) -> AsyncIterator[Stores]:
    """As the part `known_as`, or as the owner: embedded, a part comes as its own role; an address that is given says
    who comes.

    Raises `EngineUnavailable` for a database that is away or was not prepared, `EngineError` for one of a newer version
    or, to a part, one that was restored and not prepared, and `SealBroken` when the keys are not those of the database.
    """
    if known_as:
        addresses = _as_part(settings, addresses, known_as)
    elif settings.database_url or settings.keys_database_url:
        await prepare_databases(settings, addresses, key_folder)
    async with _opened(settings, addresses, key_folder, clock, randomness, breakers) as stores:
        await asyncio.gather(stores.store.ready(), stores.keys.ready())
        if known_as:
            public_key = artefact_keys_of(key_folder).verification
            await require_none_forgotten(*stores, erasure_notes(settings), public_key)
        yield stores


def _as_part(settings: Settings, addresses: EngineAddresses, part: str) -> EngineAddresses:
    rows, keys = addresses.database_url, addresses.keys_database_url
    return EngineAddresses(
        rows if settings.database_url else as_part(rows, part),
        keys if settings.keys_database_url else as_part(keys, part),
    )


@asynccontextmanager
async def _opened(
    settings: Settings,
    addresses: EngineAddresses,
    key_folder: KeyFolder,
    clock: Clock,
    randomness: Randomness,
    breakers: Breakers,
) -> AsyncIterator[Stores]:
    store = PostgresStore(
        addresses.database_url,
        clock=clock,
        texts=text_seal_of(key_folder),
        connections=settings.database_connections,
        breaker=breakers.make("experience database", failures=database.FAILURES, rest_s=database.REST_S),
    )
    keys = PostgresDataSubjectKeys(
        addresses.keys_database_url,
        key_encryption_key=key_folder.key_encryption_key,
        hash_key=key_folder.derive("data-subjects"),
        parts=FolderKeyParts(key_folder.folder, key_folder.key_encryption_key, randomness),
        clock=clock,
        randomness=randomness,
        remembered_s=settings.keys_away_s,
        breaker=breakers.make("keys database", failures=database.FAILURES, rest_s=database.REST_S),
    )
    try:
        yield Stores(store, keys)
    finally:
        await store.close()
        await keys.close()


def artefact_keys_of(key_folder: KeyFolder) -> ArtefactKeys:
    return ArtefactKeys.from_seed(key_folder.derive("artefacts"), seed_of(key_folder.signing_private_key_pem))


def text_seal_of(key_folder: KeyFolder) -> TextSeal:
    return TextSeal(key_folder.derive("store-texts-1") + key_folder.derive("store-texts-2"))


def erasure_notes(settings: Settings) -> Anchors:
    """Who was erased, in files beside the key folder: kept with its backup, not with that of the data."""
    return AnchorFolder(settings.erasures)
