"""Where a secret comes from: a file, an open file descriptor, or the keyring of the system; never an argument.

| source | meaning |
|---|---|
| `file:/run/secrets/passphrase` | first line of a file that only its owner may read |
| `fd:3` | first line of a descriptor that whoever started the process opened; it can be read once |
| `keyring:dissonance/root` | service and name in the keyring (Secret Service, KWallet, Keychain, Credential Manager) |
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dissonance.errors import ConfigurationError

MOST_BYTES = 4_096


def read_secret(source: str) -> str:
    """Raises `ConfigurationError`, in which the secret does not appear."""
    kind, _, place = source.partition(":")
    if kind == "file" and place:
        return _line(_file(Path(place)), source)
    if kind == "fd" and place.isdigit():
        return _line(_descriptor(int(place)), source)
    service, slash, name = place.partition("/")
    if kind == "keyring" and service and slash and name:
        return _line(_keyring(service, name), source)
    raise ConfigurationError(
        "it is no place of a secret",  # never repeated: it may be the secret itself
        where="source of a secret",
        fix="write file:PATH, fd:NUMBER or keyring:SERVICE/NAME",
    )


def _file(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigurationError(
                f"others than its owner may read it (mode {mode:o})", where=str(path), fix=f"chmod 600 {path}"
            )
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(str(path), error) from error


def _descriptor(number: int) -> str:
    try:
        with os.fdopen(number, "rb") as file:
            return file.read(MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(f"file descriptor {number}", error) from error


def _keyring(service: str, name: str) -> str:
    import keyring  # it looks for the desktop's services when it loads
    from keyring.errors import KeyringError

    where = f"keyring {service}/{name}"
    try:
        found = keyring.get_password(service, name)
    except KeyringError as error:
        raise _unreadable(where, error) from error
    if found is None:
        raise ConfigurationError("it holds no such secret", where=where, fix=f"keyring set {service} {name}")
    return found


def _line(content: str, source: str) -> str:
    line = content.partition("\n")[0].rstrip("\r")
    if not line:
        raise ConfigurationError("there is no secret in it", where=source, fix="write it on the first line")
    return line


def _unreadable(where: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"a secret cannot be read: {type(error).__name__}", where=where, fix="let this user read it"
    )
