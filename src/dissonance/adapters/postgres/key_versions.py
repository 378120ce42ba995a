"""Versions of the key-encryption key, in the database of the keys that rest under them (ADR 57), each with a part in
the key folder (ADR 73).

Making a version active waits for statements that make data keys, and holds back new ones while it commits: from then on
none is kept under the version before, by whatever process, so that wrapping anew comes to an end. Hence nothing comes
under a version that ends, and whether anything rests under it is looked at without holding anybody back.

Whoever makes a version holds a lock from before its part is kept until others can meet it; so does who sweeps parts
that no version names.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any
from uuid import UUID

from dissonance.adapters.keys.versions import RestingKey, VersionKeys
from dissonance.adapters.postgres.columns import Byteas, Uuids
from dissonance.adapters.postgres.database import Database
from dissonance.contracts.counts import counted
from dissonance.errors import KeyInUse, KeyPartMissing, SealBroken, UnknownKey
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.key_parts import KeyParts
from dissonance.ports.key_versions import Follow, KeyState, KeyVersion
from dissonance.security.envelope import NONCE_BYTES
from dissonance.security.wrapping import HeldKeys

CHUNK_KEYS = 5_000
"""Keys of one statement."""

HELD_US = 60_000_000
"""Another process may open data keys with a version that was revoked for so long."""


class PostgresKeyVersions:
    """`ports.key_versions.KeyVersions`. `root_key`: 32 bytes; it and `hash_key` are checked against the database at
    first use: `SealBroken` when it was made with others, and nothing is changed."""

    def __init__(
        self,
        database: Database,
        *,
        root_key: bytes,
        hash_key: bytes,
        parts: KeyParts,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._database = database
        self._keys = VersionKeys(root_key, parts, randomness)
        self._hash_key = hash_key
        self._clock = clock
        self._randomness = randomness
        self._held: HeldKeys | None = None
        self._read_us = 0

    async def held(self) -> HeldKeys:
        """Those that may be used, as they were read in the last minute."""
        if self._held is None or self._clock.now_us() - self._read_us > HELD_US:
            return await self.read()
        return self._held

    async def knowing(self, version: int) -> HeldKeys:
        """As `held`, read anew when this version is not among them."""
        held = await self.held()
        return held if version in held.wraps else await self.read()

    async def read(self) -> HeldKeys:
        """Those that may be used now; the first one is made where there is none, as the owner only may (ADR 63)."""
        if self._held is None:
            await self._check()
        usable = await self._usable() or await self._first()
        while True:
            try:
                self._held = await asyncio.to_thread(self._keys.held, usable)
            except KeyPartMissing:
                before, usable = usable, await self._usable()
                if usable[:1] == before[:1]:  # else it was destroyed between the two looks, and another is active
                    raise
            else:
                self._read_us = self._clock.now_us()
                return self._held

    async def all(self) -> list[KeyVersion]:
        return [version for version, _ in await self._all()]

    async def rotate(self) -> int:
        await self.held()
        now_us = self._clock.now_us()
        async with self._database.connection("rotate") as connection, connection.transaction():
            await self._database.execute_on(connection, "hold_back_parts", {})
            part = await asyncio.to_thread(self._keys.new_part)
            await self._database.execute_on(connection, "hold_back_new_keys", {})
            version = int((await self._database.rows_on(connection, "highest_version", {}))[0][0]) + 1
            await self._database.execute_on(connection, "retire_active", {"now_us": now_us})
            sealed = part.sealed(version)
            parameters = {"version": version, "sealed": sealed, "part_id": part.part_id, "now_us": now_us}
            await self._database.execute_on(connection, "add_version", parameters)
        await self.read()
        return version

    async def rewrap(self, follow: Follow) -> int:
        """Under the version that is active in the end: one that another rotation retires meanwhile takes no more."""
        done, held = 0, await self.read()
        while True:
            done += await self._rewrap_under(held, follow)
            now = await self.read()
            if now.active == held.active:
                return done
            held = now

    async def revoke(self, version: int) -> None:
        await self._end(version, KeyState.REVOKED)
        await self.read()

    async def destroy(self, version: int) -> None:
        part_id = await self._end(version, KeyState.DESTROYED)
        await asyncio.to_thread(self._keys.destroy_part, version, part_id)
        await self.read()

    async def unneeded_parts(self) -> int:
        named = [part_id for (part_id,) in await self._database.rows("part_ids", {})]
        return await asyncio.to_thread(self._keys.unneeded_parts, named)

    async def sweep(self) -> int:
        await self.held()
        async with self._database.connection("sweep", limited=False) as connection, connection.transaction():
            await self._database.execute_on(connection, "hold_back_parts", {})
            named = [part_id for (part_id,) in await self._database.rows_on(connection, "part_ids", {})]
            return await asyncio.to_thread(self._keys.sweep, named)

    async def _end(self, version: int, state: KeyState) -> bytes | None:
        """The id of its part."""
        there, part_id = next((each for each in await self._all() if each[0].version == version), (None, None))
        if there is None:
            raise UnknownKey(
                f"there is no version {version}", where="key-encryption keys", fix="see dissonance keys list"
            )
        if there.state in (state, KeyState.DESTROYED):
            return part_id
        parameters = {"version": version, "state": state.value, "now_us": self._clock.now_us()}
        async with self._database.connection(state.value, limited=False) as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            if not await self._database.execute_on(connection, "end_version", parameters):
                resting = there.data_keys + there.spare_keys
                raise KeyInUse(
                    f"version {version} is {there.state.value}; {counted(resting, 'key rests', 'keys rest')} under it",
                    where="key-encryption keys",
                    fix="wrap them under another one first: dissonance keys rotate",
                )
        return part_id

    async def _all(self) -> list[tuple[KeyVersion, bytes | None]]:
        """With the ids of their parts."""
        await self.held()
        return await asyncio.to_thread(self._with_parts, await self._unlimited("key_versions"))

    def _with_parts(self, rows: list[tuple[Any, ...]]) -> list[tuple[KeyVersion, bytes | None]]:
        found = []
        for part_id, version, state, *rest in rows:
            part = self._keys.state_of(version, part_id, KeyState(state))
            found.append((KeyVersion(version, KeyState(state), *rest)._replace(part=part), part_id))
        return found

    async def _rewrap_under(self, held: HeldKeys, follow: Follow) -> int:
        total = int((await self._unlimited("count_to_rewrap", under=held.active))[0][0])
        done = 0
        task, data_subject = UUID(int=0), b""
        while rows := await self._next("keys_to_rewrap", held, task=task, data_subject=data_subject):
            if await self._is_overtaken(held, rows):
                return done
            task, data_subject = rows[-1][0], rows[-1][1]
            done += await self._rewrap_keys(held, rows)
            follow(min(done, total), total)
        spare_id = b""
        while rows := await self._next("spares_to_rewrap", held, spare_id=spare_id):
            if await self._is_overtaken(held, rows):
                return done
            spare_id = rows[-1][0]
            done += await self._rewrap_spares(held, rows)
            follow(min(done, total), total)
        return done

    async def _is_overtaken(self, held: HeldKeys, rows: list[tuple[Any, ...]]) -> bool:
        """By another rotation: keys rest under a version that was not there yet when `held` was read."""
        return any(row[-1] not in held.wraps for row in rows) and (await self.read()).active != held.active

    async def _rewrap_keys(self, held: HeldKeys, rows: list[tuple[Any, ...]]) -> int:
        wrapped = []
        for task, data_subject, before, under in rows:
            key = held.under(under).open(task.hex, data_subject, before)
            wrapped.append(held.wrap.of(task.hex, data_subject, key, self._randomness.token(NONCE_BYTES)))
        parameters = {
            "under": held.active,
            "tasks": Uuids([row[0].bytes for row in rows]),
            "data_subjects": Byteas([row[1] for row in rows]),
            "before": Byteas([row[2] for row in rows]),
            "wrapped": Byteas(wrapped),
        }
        return await self._database.execute("rewrap_keys", parameters)

    async def _rewrap_spares(self, held: HeldKeys, rows: list[tuple[Any, ...]]) -> int:
        wrapped = []
        for spare_id, before, under in rows:
            key = held.under(under).open_spare(spare_id, before)
            wrapped.append(held.wrap.of_spare(spare_id, key, self._randomness.token(NONCE_BYTES)))
        parameters = {
            "under": held.active,
            "spare_ids": Byteas([row[0] for row in rows]),
            "before": Byteas([row[1] for row in rows]),
            "wrapped": Byteas(wrapped),
        }
        return await self._database.execute("rewrap_spares", parameters)

    async def _next(self, query: str, held: HeldKeys, **after: object) -> list[tuple[Any, ...]]:
        return await self._unlimited(query, under=held.active, limit=CHUNK_KEYS, **after)

    async def _unlimited(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        """What reads a whole table may take as long as that is."""
        async with self._database.connection(query, limited=False) as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            return await self._database.rows_on(connection, query, parameters)

    async def _usable(self) -> list[RestingKey]:
        return [RestingKey(*row) for row in await self._database.rows("usable_key_encryption_keys", {})]

    async def _first(self) -> list[RestingKey]:
        """Makes it, unless another process was faster; a part that nobody needs goes again."""
        async with self._database.connection("first") as connection, connection.transaction():
            await self._database.execute_on(connection, "hold_back_parts", {})
            if not await self._database.rows_on(connection, "usable_key_encryption_keys", {}):
                part = await asyncio.to_thread(self._keys.new_part)
                parameters = {
                    "root": self._keys.root_as_first(),
                    "fresh": part.sealed(1),
                    "part_id": part.part_id,
                    "now_us": self._clock.now_us(),
                }
                await self._database.execute_on(connection, "first_key_encryption_key", parameters)
                named = await self._database.rows_on(connection, "part_ids", {})
                if not named:  # version 1 is the root key
                    await asyncio.to_thread(self._keys.drop, part)
        return await self._usable()

    async def _check(self) -> None:
        hash_key_digest = hashlib.sha256(self._hash_key).digest()
        ours = self._keys.root.seal(self._randomness.token(NONCE_BYTES), b"key check", hash_key_digest)
        if not (first := await self._database.rows("key_check", {})):
            await self._database.execute("first_key_check", {"sealed": ours})
            first = await self._database.rows("key_check", {})
        try:
            opened = self._keys.root.unseal(first[0][0], hash_key_digest)
        except SealBroken as error:
            raise _others() from error
        if not hmac.compare_digest(opened, b"key check"):
            raise _others()


def _others() -> SealBroken:
    return SealBroken(
        "the keys of data subjects were made with another key-encryption key or hash key",
        where="keys database",
        fix="use the key folder that belongs to this database, or restore it from its backup",
    )
