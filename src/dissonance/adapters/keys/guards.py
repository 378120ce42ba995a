"""Which guards a process has: each is made when a document, or a new key folder, asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from dissonance.adapters.keys.documents import WHERE, GuardName, guard_of
from dissonance.errors import ConfigurationError
from dissonance.ports.key_guard import KeyGuard

SETTINGS = {GuardName.PASSPHRASE: "DISSONANCE_KEY_PASSPHRASE", GuardName.TRANSIT: "DISSONANCE_OPENBAO_ADDRESS"}


class Guards(NamedTuple):
    """`made`: how each is made; `new`: who gets a new root key, by default its file alone."""

    made: Mapping[GuardName, Callable[[], KeyGuard]] = {}
    new: GuardName = GuardName.FILE

    def named(self, name: GuardName) -> KeyGuard | None:
        """None of a plain file. Raises `ConfigurationError` when the settings do not say how to reach it."""
        if name is GuardName.FILE:
            return None
        if name not in self.made:
            raise ConfigurationError(
                f"the root key is guarded by {name.value}, and the settings do not say where that is",
                where=WHERE,
                fix=f"set {SETTINGS[name]}",
            )
        return self.made[name]()

    def opened(self, content: bytes) -> bytes:
        """The root key of a file's content. Raises what its guard raises."""
        guard = self.named(guard_of(content))
        return content if guard is None else guard.open(content)

    def protected(self, root_key: bytes, name: GuardName) -> bytes:
        """The content of its file."""
        guard = self.named(name)
        return root_key if guard is None else guard.protect(root_key)
