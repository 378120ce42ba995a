"""Key-encryption keys as they rest: sealed under the root key and a part of their own, or, of before, under the root
key alone (ADR 73)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from dissonance.errors import DataFolderError, KeyPartMissing, SealBroken
from dissonance.ports.clock import Randomness
from dissonance.ports.key_parts import PART_BYTES, PART_ID_BYTES, KeyParts
from dissonance.ports.key_versions import KeyState, PartState
from dissonance.security.envelope import NONCE_BYTES
from dissonance.security.wrapping import NEW_KEY_BYTES, HeldKeys, KeyWrap, with_part


class RestingKey(NamedTuple):
    """One version in the keys database. `part_id`: None of one that rests under the root key alone."""

    version: int
    sealed: bytes
    part_id: bytes | None


class NewPart(NamedTuple):
    """A part that is kept, and what wraps a version under it and the root key."""

    part_id: bytes
    wrap: KeyWrap
    randomness: Randomness

    def sealed(self, version: int) -> bytes:
        """A new key-encryption key."""
        return self.wrap.new_version(version, self.randomness.token(NEW_KEY_BYTES))


class VersionKeys:
    """Methods read and write files: call them from a thread where something else waits."""

    def __init__(self, root_key: bytes, parts: KeyParts, randomness: Randomness) -> None:
        self.root = KeyWrap(root_key)
        self._root_key = root_key
        self._parts = parts
        self._randomness = randomness
        self._known: dict[RestingKey, KeyWrap] = {}

    def new_part(self) -> NewPart:
        """Kept before anybody can meet its version."""
        part_id, part = self._randomness.token(PART_ID_BYTES), self._randomness.token(PART_BYTES)
        self._parts.keep(part_id, part)
        return NewPart(part_id, with_part(self._root_key, part_id, part), self._randomness)

    def root_as_first(self) -> bytes:
        """The root key itself as version 1, as it wrapped data keys before there were versions."""
        return self.root.new_version(1, self._root_key + self._randomness.token(NONCE_BYTES))

    def held(self, usable: Sequence[RestingKey]) -> HeldKeys:
        """Those that may be used, the active one first; a part is read when its version is met.

        Raises what is wrong with the active one. What is wrong with another one is raised when it is needed, since
        everything that does not rest under it can be opened.
        """
        wraps: dict[RestingKey, KeyWrap] = {}
        lost: dict[int, SealBroken | DataFolderError] = {}
        for each in usable:
            try:
                wraps[each] = self._known.get(each) or self._opened(each)
            except (SealBroken, DataFolderError) as error:
                lost[each.version] = error
        active = usable[0].version
        if active in lost:
            raise lost[active]
        self._known = wraps
        return HeldKeys(active, {each.version: wrap for each, wrap in wraps.items()}, lost)

    def state_of(self, version: int, part_id: bytes | None, state: KeyState) -> PartState:
        if part_id is None:
            return PartState.NONE
        try:
            if state is KeyState.DESTROYED:
                return PartState.LEFT if self._parts.has(part_id) else PartState.DESTROYED
            self._parts.read(part_id, version)
        except KeyPartMissing:
            return PartState.MISSING
        except SealBroken:
            return PartState.DAMAGED
        except DataFolderError:
            return PartState.UNREADABLE
        return PartState.KEPT

    def destroy_part(self, version: int, part_id: bytes | None) -> None:
        """Of one that is destroyed in the database. Raises `DataFolderError` where it is still there."""
        if part_id is None:
            return
        try:
            self._parts.destroy(part_id)
        except DataFolderError as error:
            raise DataFolderError(
                f"key-encryption key {version} is destroyed in the keys database, its part is not: {error.what}",
                where=error.where,
                fix=f"{error.fix}; then the same again: dissonance keys destroy {version}",
            ) from error

    def drop(self, part: NewPart) -> None:
        """Of a version that was not made after all."""
        self._parts.destroy(part.part_id)

    def unneeded_parts(self, named: Collection[bytes]) -> int:
        return self._parts.unneeded(named)

    def sweep(self, named: Collection[bytes]) -> int:
        return self._parts.sweep(named)

    def _opened(self, key: RestingKey) -> KeyWrap:
        under = self.root
        if key.part_id is not None:
            under = with_part(self._root_key, key.part_id, self._parts.read(key.part_id, key.version))
        return KeyWrap(under.open_version(key.version, key.sealed))
