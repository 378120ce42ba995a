"""Keys of data subjects in a database of their own, each wrapped under a version of the key-encryption key.

A wrapped key is `version (1) | nonce (12) | AES-256-GCM of the key`, bound to task and data subject; random nonces
allow 2**32 wrapped keys under one key-encryption key (NIST SP 800-38D, section 8.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dissonance.adapters.postgres.columns import Byteas
from dissonance.adapters.postgres.database import Database
from dissonance.adapters.postgres.key_versions import CHUNK_KEYS, PostgresKeyVersions
from dissonance.adapters.postgres.migrate import Schema
from dissonance.adapters.postgres.part import task_key
from dissonance.adapters.postgres.version import require_version
from dissonance.ports.breaker import Breaker
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.key_parts import KeyParts
from dissonance.ports.keys import DataKey, DataSubjectHash, SpareId, Unwrap
from dissonance.security.envelope import NONCE_BYTES
from dissonance.security.key_cache import CACHED_US, KeyCache
from dissonance.security.wrapping import NEW_KEY_BYTES, KeyWrap, SubjectHash

SPARE_ID_BYTES = 16

UNUSED_SPARES_KEPT_US = 90 * 86_400 * 1_000_000
"""Spare keys that nothing was heard of for so long died with the process that had them."""

MANY_KEYS = 50_000
"""Keys that one statement reads."""

STATEMENT_S = 7.0
"""Seconds of one statement: every prediction about somebody new waits for one."""

Wrapping = Callable[[KeyWrap, bytes], bytes]
"""The wrapped key of a data subject, under a key-encryption key."""


class PostgresDataSubjectKeys:
    """`ports.keys.DataSubjectKeys`. Connects at first use; migrate the database before (`Schema.DATA_SUBJECT_KEYS`).

    `key_encryption_key`: the root key, 32 bytes. `hash_key`: for `data_subject_hash`. Both are checked against the
    database at first use: `SealBroken` when it was made with others. A key that another replica destroyed may be in use
    here for up to 60 seconds more (`security.key_cache.CACHED_US`); it is remembered for `remembered_s`.
    """

    def __init__(
        self,
        keys_database_url: str,
        *,
        key_encryption_key: bytes,
        hash_key: bytes,
        parts: KeyParts,
        clock: Clock,
        randomness: Randomness,
        connections: int = 4,
        remembered_s: float = 900.0,
        breaker: Breaker | None = None,
    ) -> None:
        self._database = Database(
            keys_database_url, queries="keys.sql", connections=connections, statement_s=STATEMENT_S, breaker=breaker
        )
        self.versions = PostgresKeyVersions(
            self._database,
            root_key=key_encryption_key,
            hash_key=hash_key,
            parts=parts,
            clock=clock,
            randomness=randomness,
        )
        self._subject_hash = SubjectHash(hash_key)
        self._clock = clock
        self._randomness = randomness
        self._cache = KeyCache(lifetime_us=max(CACHED_US, round(remembered_s * 1e6)))

    async def obtain(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> dict[DataSubjectHash, DataKey]:
        keys, missing = self._cache.take(task_id, data_subjects, self._clock.now_us(), CACHED_US)
        for start in range(0, len(missing), CHUNK_KEYS):
            chunk = missing[start : start + CHUNK_KEYS]
            random = self._randomness.token(NEW_KEY_BYTES * len(chunk))
            parts = {each: random[i * NEW_KEY_BYTES : (i + 1) * NEW_KEY_BYTES] for i, each in enumerate(chunk)}
            here = await self._kept(task_id, chunk, _new_keys(task_id, parts))
            self._cache.put(task_id, here, self._clock.now_us())
            keys |= here
        return keys

    async def _kept(self, task_id: str, data_subjects: Sequence[bytes], wrapping: Wrapping) -> dict[bytes, bytes]:
        """The keys there are, and new ones under the active version; again when another one became that meanwhile."""
        held = await self.versions.held()
        while True:
            parameters = {
                "task": task_key(task_id),
                "data_subjects": Byteas(data_subjects),
                "wrapped": Byteas([wrapping(held.wrap, each) for each in data_subjects]),
                "under": held.active,
            }
            here = await self._unwrapped(task_id, await self._database.rows("obtain_keys", parameters))
            rest = [data_subject for data_subject in data_subjects if data_subject not in here]
            if not rest:
                return here
            here |= await self._read(task_id, rest)
            now = held if len(here) == len(data_subjects) else await self.versions.read()
            if now.active == held.active:
                return here
            held = now

    async def find(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> dict[DataSubjectHash, DataKey]:
        keys, missing = self._cache.take(task_id, data_subjects, self._clock.now_us(), CACHED_US)
        if missing:
            await self.versions.held()
        for start in range(0, len(missing), MANY_KEYS):
            here = await self._read(task_id, missing[start : start + MANY_KEYS])
            if len(missing) < CHUNK_KEYS:  # whoever reads more reads them once, and others' keys would go for them
                self._cache.put(task_id, here, self._clock.now_us())
            keys |= here
        return keys

    async def fetch_each(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> Unwrap:
        """Many are read anew, and not remembered: others' keys would go for them."""
        if len(data_subjects) < CHUNK_KEYS:
            keys = await self.find(task_id, data_subjects)
            return lambda: [keys.get(each) for each in data_subjects]
        packed = []
        for start in range(0, len(data_subjects), MANY_KEYS):
            packed += await self._packed(task_id, data_subjects[start : start + MANY_KEYS])

        def unwrap() -> list[bytes | None]:
            keys: dict[bytes, bytes] = {}
            for wrap, people, wrapped in packed:
                keys |= wrap.open_joined(task_id, people, wrapped)
            return list(map(keys.get, data_subjects))

        return unwrap

    async def _packed(self, task_id: str, data_subjects: Sequence[bytes]) -> list[tuple[KeyWrap, bytes, bytes]]:
        """By version: what unwraps its keys, whose they are, and the wrapped keys."""
        held = await self.versions.held()
        parameters = {"task": task_key(task_id), "data_subjects": Byteas(data_subjects)}
        found = []
        for version, people, wrapped in await self._database.rows("find_packed_keys", parameters):
            if version not in held.wraps:
                held = await self.versions.knowing(version)
            found.append((held.under(version), people, wrapped))
        return found

    async def _read(self, task_id: str, data_subjects: Sequence[bytes]) -> dict[bytes, bytes]:
        parameters = {"task": task_key(task_id), "data_subjects": Byteas(data_subjects)}
        query = "find_keys" if len(data_subjects) < CHUNK_KEYS else "find_many_keys"
        return await self._unwrapped(task_id, await self._database.rows(query, parameters))

    async def _unwrapped(self, task_id: str, rows: Sequence[tuple[Any, ...]]) -> dict[bytes, bytes]:
        held = await self.versions.held()
        keys: dict[bytes, bytes] = {}
        versions = {row[2] for row in rows}
        for version in versions:
            if version not in held.wraps:
                held = await self.versions.knowing(version)
            here = rows if len(versions) == 1 else [row for row in rows if row[2] == version]
            people, wrapped = [row[0] for row in here], [row[1] for row in here]
            keys |= held.under(version).open_many(task_id, people, wrapped)
        return keys

    def remembered(
        self, task_id: str, data_subjects: Sequence[DataSubjectHash], read_within_s: float | None = None
    ) -> dict[DataSubjectHash, DataKey]:
        within_us = None if read_within_s is None else round(read_within_s * 1e6)
        return self._cache.take(task_id, data_subjects, self._clock.now_us(), within_us)[0]

    async def reserve(self, count: int) -> dict[SpareId, DataKey]:
        held = await self.versions.held()
        now_us = self._clock.now_us()
        await self._database.execute("forget_spares", {"older_than_us": now_us - UNUSED_SPARES_KEPT_US})
        made: dict[bytes, bytes] = {}
        while len(made) < count:
            ids = [self._randomness.token(SPARE_ID_BYTES) for _ in range(min(CHUNK_KEYS, count - len(made)))]
            wrapped = [held.wrap.new_spare(each, self._randomness.token(NEW_KEY_BYTES)) for each in ids]
            parameters = {
                "spare_ids": Byteas(ids),
                "wrapped": Byteas(wrapped),
                "now_us": now_us,
                "under": held.active,
            }
            if await self._database.execute("reserve_keys", parameters):
                made |= {each: held.wrap.open_spare(each, key) for each, key in zip(ids, wrapped, strict=True)}
            else:
                held = await self.versions.read()
        return made

    async def release(self, spare_ids: Sequence[SpareId]) -> None:
        await self._database.execute("release_keys", {"spare_ids": Byteas(spare_ids)})

    async def adopt(self, task_id: str, spares: Mapping[SpareId, DataSubjectHash]) -> dict[SpareId, DataKey]:
        held = await self.versions.held()
        parameters = {
            "task": task_key(task_id),
            "spare_ids": Byteas(list(spares)),
            "data_subjects": Byteas(list(spares.values())),
        }
        rows = await self._database.rows("adopt_keys", parameters)
        opened = {}
        for spare_id, _, wrapped, under in rows:
            if under not in held.wraps:
                held = await self.versions.knowing(under)
            opened[spare_id] = held.under(under).open_spare(spare_id, wrapped)
        first = {data_subject: opened[spare_id] for spare_id, data_subject, *_ in reversed(rows)}

        def wrapped_for(wrap: KeyWrap, data_subject: bytes) -> bytes:
            return wrap.of(task_id, data_subject, first[data_subject], self._randomness.token(NONCE_BYTES))

        await self._kept(task_id, list(first), wrapped_for)
        return opened

    async def destroy(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> int:
        """A data subject that has no key yet is logged too, and never gets one."""
        return await self._destroy(task_id, "log_destroyed_keys", "destroy_keys", "destroy_spares", data_subjects)

    async def not_destroyed(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> list[DataSubjectHash]:
        parameters = {"task": task_key(task_id), "data_subjects": Byteas(data_subjects)}
        return [row[0] for row in await self._database.rows("not_destroyed", parameters)]

    async def destroy_task(self, task_id: str) -> int:
        """No data subject of the task ever gets a key again."""
        return await self._destroy(task_id, "log_destroyed_task", "destroy_task_keys", "destroy_task_spares", None)

    async def _destroy(
        self, task_id: str, log: str, destroy: str, destroy_spares: str, data_subjects: Sequence[bytes] | None
    ) -> int:
        parameters: dict[str, object] = {"task": task_key(task_id), "at_us": self._clock.now_us()}
        if data_subjects is not None:
            parameters["data_subjects"] = Byteas(data_subjects)
        async with self._database.connection(destroy, limited=False) as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            await self._database.execute_on(connection, "hold_back_new_keys", {})
            await self._database.execute_on(connection, log, parameters)
            destroyed = await self._database.execute_on(connection, destroy, parameters)
            await self._database.execute_on(connection, destroy_spares, parameters)
        if data_subjects is None:
            self._cache.forget_task(task_id)
        else:
            self._cache.forget(task_id, data_subjects)
        return destroyed

    def data_subject_hash(self, task_id: str, data_subject: str) -> DataSubjectHash:
        return self._subject_hash(task_id, data_subject)

    def data_subject_hashes(self, task_id: str, data_subjects: Sequence[str]) -> list[DataSubjectHash]:
        return self._subject_hash.many(task_id, data_subjects)

    async def ready(self) -> None:
        """Raises `EngineUnavailable`, `EngineError` for a newer database, or `SealBroken` for other keys."""
        await require_version(self._database, Schema.DATA_SUBJECT_KEYS)
        await self.versions.held()

    async def close(self) -> None:
        await self._database.close()


def _new_keys(task_id: str, random: Mapping[bytes, bytes]) -> Wrapping:
    """`random`: what makes each data subject's key, 44 bytes."""
    return lambda wrap, data_subject: wrap.new(task_id, data_subject, random[data_subject])
