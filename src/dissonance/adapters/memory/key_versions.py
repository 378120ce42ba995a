"""Versions of the key-encryption key within one process, for unit tests: the contract of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

from dissonance.adapters.keys.versions import NewPart, RestingKey, VersionKeys
from dissonance.adapters.memory.key_parts import MemoryKeyParts
from dissonance.errors import KeyInUse, UnknownKey
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.key_versions import Follow, KeyState, KeyVersion
from dissonance.security.envelope import NONCE_BYTES
from dissonance.security.wrapping import HeldKeys


class WrappedKeys:
    """What replicas share: wrapped keys by task and data subject with the version that they rest under, the versions
    and their parts, and what was destroyed. Spare keys rest in plain under a version's name."""

    def __init__(self, parts: MemoryKeyParts | None = None) -> None:
        self.parts = parts or MemoryKeyParts()
        self.spares: dict[bytes, bytes] = {}
        self.spares_under: dict[bytes, int] = {}
        self.used: dict[bytes, tuple[str, bytes]] = {}
        self.wrapped: dict[tuple[str, bytes], tuple[bytes, int]] = {}
        self.sealed_versions: dict[int, RestingKey] = {}
        self.versions: dict[int, KeyVersion] = {}
        self.destroyed: set[tuple[str, bytes]] = set()
        self.destroyed_tasks: set[str] = set()


class MemoryKeyVersions:
    """`ports.key_versions.KeyVersions`. `require`: raises while the store plays dead."""

    def __init__(
        self,
        shared: WrappedKeys,
        root_key: bytes,
        randomness: Randomness,
        clock: Clock,
        require: Callable[[], None],
    ) -> None:
        self._shared = shared
        self._keys = VersionKeys(root_key, shared.parts, randomness)
        self._randomness = randomness
        self._clock = clock
        self._require = require

    def held(self) -> HeldKeys:
        if not self._shared.versions:
            self._add(1, self._keys.new_part())
        usable = [each for each in self._shared.versions.values() if each.state in (KeyState.ACTIVE, KeyState.RETIRED)]
        usable.sort(key=lambda each: each.state)
        return self._keys.held([self._shared.sealed_versions[each.version] for each in usable])

    async def all(self) -> list[KeyVersion]:
        self._require()
        self.held()
        data = [under for _, under in self._shared.wrapped.values()]
        spares = [self._shared.spares_under[each] for each in self._shared.spares]
        return [
            each._replace(
                data_keys=data.count(version),
                spare_keys=spares.count(version),
                part=self._keys.state_of(version, self._shared.sealed_versions[version].part_id, each.state),
            )
            for version, each in sorted(self._shared.versions.items())
        ]

    async def rotate(self) -> int:
        self._require()
        self.held()
        part, before = self._keys.new_part(), self._active()
        version = max(self._shared.versions) + 1
        self._turn(before, KeyState.RETIRED)
        self._add(version, part)
        return version

    async def rewrap(self, follow: Follow) -> int:
        self._require()
        held, done = self.held(), 0
        old = [name for name, (_, under) in self._shared.wrapped.items() if under != held.active]
        spares = [each for each in self._shared.spares if self._shared.spares_under[each] != held.active]
        for task_id, data_subject in old:
            wrapped, under = self._shared.wrapped[task_id, data_subject]
            key = held.under(under).open(task_id, data_subject, wrapped)
            anew = held.wrap.of(task_id, data_subject, key, self._randomness.token(NONCE_BYTES))
            self._shared.wrapped[task_id, data_subject] = (anew, held.active)
            done += 1
            follow(done, len(old) + len(spares))
        self._shared.spares_under |= dict.fromkeys(spares, held.active)
        return done + len(spares)

    async def revoke(self, version: int) -> None:
        await self._end(version, KeyState.REVOKED)

    async def destroy(self, version: int) -> None:
        await self._end(version, KeyState.DESTROYED)
        resting = self._shared.sealed_versions[version]
        self._shared.sealed_versions[version] = resting._replace(sealed=b"")
        self._keys.destroy_part(version, resting.part_id)

    async def unneeded_parts(self) -> int:
        self._require()
        return self._keys.unneeded_parts(self._named())

    async def sweep(self) -> int:
        self._require()
        self.held()
        return self._keys.sweep(self._named())

    def _named(self) -> list[bytes]:
        return [each.part_id for each in self._shared.sealed_versions.values() if each.part_id is not None]

    async def _end(self, version: int, state: KeyState) -> None:
        there = {each.version: each for each in await self.all()}.get(version)
        if there is None:
            raise UnknownKey(f"there is no version {version}", where="key-encryption keys", fix="name another")
        if there.state is KeyState.ACTIVE or there.data_keys or there.spare_keys:
            raise KeyInUse(f"version {version} is in use", where="key-encryption keys", fix="rotate first")
        if there.state is not KeyState.DESTROYED:
            self._turn(version, state)

    def _active(self) -> int:
        return next(version for version, each in self._shared.versions.items() if each.state is KeyState.ACTIVE)

    def _add(self, version: int, part: NewPart) -> None:
        now_us = self._clock.now_us()
        self._shared.sealed_versions[version] = RestingKey(version, part.sealed(version), part.part_id)
        self._shared.versions[version] = KeyVersion(version, KeyState.ACTIVE, now_us, now_us)

    def _turn(self, version: int, state: KeyState) -> None:
        changed = self._shared.versions[version]._replace(state=state, changed_at_us=self._clock.now_us())
        self._shared.versions[version] = changed
