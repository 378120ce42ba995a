"""Tokens of who logged in, kept for the commands that follow: in the keyring of the system, or where there is none in a
file that only its owner may read. One login for each installation."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from dissonance.adapters.embedded.files import write_atomically
from dissonance.adapters.locked import locked
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


class KeptLogin(msgspec.Struct, frozen=True, omit_defaults=True):
    """`token`, and `refresh_token` for the next one, which the issuer at `url` gives; `ca`: PEM file of who vouches for
    it, empty for the installation's own. In the file all is empty of what the keyring has."""

    token: str = ""
    refresh_token: str = ""
    url: str = ""
    ca: str = ""


NOBODY = KeptLogin()


class KeptTokens:
    """`folder`: of this user's configuration. `ring`: None for a file in any case."""

    def __init__(self, folder: Path, ring: Ring | None) -> None:
        self._file = folder / FILE
        self._ring = ring

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While other commands of this user wait: a refresh token is good once. Raises `ConfigurationError`."""
        with ExitStack() as stack:
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
                stack.enter_context(locked(self._file.with_suffix(".lock")))
            except OSError as error:
                raise _unusable(self._file, error) from error
            yield

    def keep(self, installation: str, login: KeptLogin) -> bool:
        """Whether the keyring took it. Raises `ConfigurationError` when neither does."""
        in_ring = self._ring is not None and _kept_in(self._ring, installation, msgspec.json.encode(login).decode())
        self._write({**self._read(), installation: NOBODY if in_ring else login})
        return in_ring

    def login(self, installation: str) -> KeptLogin:
        """`NOBODY` where nobody is logged in. Raises `ConfigurationError` for a file that others may read."""
        known = self._read().get(installation, None)
        if known is None or known.token:
            return known or NOBODY
        return _found_in(self._ring, installation) if self._ring is not None else NOBODY

    def forget(self, installation: str) -> KeptLogin | None:
        """What there was, as far as it can still be read; None where nobody was logged in."""
        known = self._read()
        kept = known.pop(installation, None)
        if kept is not None and not kept.token and self._ring is not None:
            with suppress(ConfigurationError):  # a keyring that is locked
                kept = _found_in(self._ring, installation)
            _forget_in(self._ring, installation)
        if kept is not None:
            self._write(known)
        return kept

    def _read(self) -> dict[str, KeptLogin]:
        try:
            mode = stat.S_IMODE(self._file.stat().st_mode)
            if mode & 0o077:
                raise ConfigurationError(
                    f"others than its owner may read it (mode {mode:o})",
                    where=str(self._file),
                    fix=f"chmod 600 {self._file}, and log in again",
                )
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, KeptLogin])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            raise _unusable(self._file, error) from error

    def _write(self, kept: dict[str, KeptLogin]) -> None:
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


def _found_in(ring: Ring, installation: str) -> KeptLogin:
    from keyring.errors import KeyringError

    try:
        text = ring.get_password(SERVICE, installation) or "{}"
    except KeyringError as error:
        raise ConfigurationError(
            "the keyring does not give the token of the login",
            where="keyring",
            fix="unlock it; or put --as-owner behind the command; or: dissonance logout",
        ) from error
    try:
        return msgspec.json.decode(text, type=KeptLogin)
    except msgspec.MsgspecError:
        return KeptLogin(text)  # a token alone, as it was kept before there were refresh tokens


def _forget_in(ring: Ring, installation: str) -> None:
    from keyring.errors import KeyringError

    try:
        ring.delete_password(SERVICE, installation)
    except KeyringError:
        return  # it is not there, or locked: what is left of it was given back


def _unusable(file: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the tokens of logins cannot be kept here: {type(error).__name__}", where=str(file), fix="remove the file"
    )
