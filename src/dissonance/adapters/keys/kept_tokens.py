"""Tokens of who logged in, kept for the commands that follow: in the keyring of the system, or where there is none in a
file that only its owner may read. One for each installation."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Protocol

import msgspec

from dissonance.adapters.embedded.files import write_atomically
from dissonance.errors import ConfigurationError

SERVICE = "dissonance"
FILE = "logins.json"
FILE_MODE = 0o600
FOLDER_MODE = 0o700


class Ring(Protocol):
    """`keyring`, of which these may raise its `KeyringError`."""

    def get_password(self, service: str, name: str) -> str | None: ...

    def set_password(self, service: str, name: str, password: str) -> None: ...

    def delete_password(self, service: str, name: str) -> None: ...


class KeptToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """`token`: empty where the keyring has it."""

    token: str = ""


class KeptTokens:
    """`folder`: of this user's configuration. `ring`: None for a file in any case."""

    def __init__(self, folder: Path, ring: Ring | None) -> None:
        self._file = folder / FILE
        self._ring = ring

    def keep(self, installation: str, token: str) -> bool:
        """Whether the keyring took it. Raises `ConfigurationError` when neither does."""
        in_ring = self._ring is not None and _kept_in(self._ring, installation, token)
        self._write({**self._read(), installation: KeptToken("" if in_ring else token)})
        return in_ring

    def token(self, installation: str) -> str:
        """Empty where nobody is logged in. Raises `ConfigurationError` for a file that others may read."""
        known = self._read().get(installation)
        if known is None or known.token:
            return known.token if known is not None else ""
        return _found_in(self._ring, installation) if self._ring is not None else ""

    def forget(self, installation: str) -> bool:
        """Whether there was one."""
        known = self._read()
        kept = known.pop(installation, None)
        if kept is None:
            return False
        if not kept.token and self._ring is not None:
            _forget_in(self._ring, installation)
        self._write(known)
        return True

    def _read(self) -> dict[str, KeptToken]:
        try:
            mode = stat.S_IMODE(self._file.stat().st_mode)
            if mode & 0o077:
                raise ConfigurationError(
                    f"others than its owner may read it (mode {mode:o})",
                    where=str(self._file),
                    fix=f"chmod 600 {self._file}, and log in again",
                )
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, KeptToken])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            raise _unusable(self._file, error) from error

    def _write(self, kept: dict[str, KeptToken]) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
            write_atomically(self._file, msgspec.json.encode(kept), mode=FILE_MODE)
        except OSError as error:
            raise _unusable(self._file, error) from error


def system_ring() -> Ring:
    """That of the system, where it has one; it says so itself when it is asked."""
    import keyring  # it looks for the desktop's services when it loads

    ring: Ring = keyring.get_keyring()
    return ring


def _kept_in(ring: Ring, installation: str, token: str) -> bool:
    from keyring.errors import KeyringError

    try:
        ring.set_password(SERVICE, installation, token)
    except KeyringError:  # there is none, or it is locked
        return False
    return True


def _found_in(ring: Ring, installation: str) -> str:
    from keyring.errors import KeyringError

    try:
        return ring.get_password(SERVICE, installation) or ""
    except KeyringError as error:
        raise ConfigurationError(
            "the keyring does not give the token of the login", where="keyring", fix="unlock it, or: dissonance logout"
        ) from error


def _forget_in(ring: Ring, installation: str) -> None:
    from keyring.errors import KeyringError

    try:
        ring.delete_password(SERVICE, installation)
    except KeyringError:
        return  # it is not there, or locked: what is left of it is a token of some hours


def _unusable(file: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the tokens of logins cannot be kept here: {type(error).__name__}", where=str(file), fix="remove the file"
    )
