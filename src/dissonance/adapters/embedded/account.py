"""The unprivileged account that PostgreSQL runs under when the supervisor is root, which PostgreSQL refuses to be."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import msgspec

from dissonance.errors import EngineError

DEDICATED = "dissonance-postgres"
FALLBACK = "nobody"


class Account(msgspec.Struct, frozen=True):
    """A user and group by number; both -1: the supervisor's own."""

    uid: int = -1
    gid: int = -1

    @property
    def is_other(self) -> bool:
        return self.uid >= 0


OWN = Account()


def unprivileged_account() -> Account:
    """Our own account, or for root a dedicated system account (made when `useradd` is there), else `nobody`.

    Raises `EngineError` when root finds neither.
    """
    if os.geteuid() != 0:
        return OWN
    for name in (DEDICATED, FALLBACK):
        entry = _find(name)
        if entry is None and name == DEDICATED:
            _add(name)
            entry = _find(name)
        if entry is not None:
            return Account(entry.pw_uid, entry.pw_gid)
    raise EngineError(
        "PostgreSQL refuses to run as root, and there is no unprivileged account for it",
        where="postgresql",
        fix=f"add one (useradd --system {DEDICATED}) or start as another user",
    )


def _find(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _add(name: str) -> None:
    program = shutil.which("useradd")
    if program is not None:
        # A failure (a read-only /etc in a container) leaves `nobody`, which the caller looks up next.
        subprocess.run(  # noqa: S603 - fixed arguments
            [program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
            check=False,
            capture_output=True,
        )


def others_can_reach(path: Path) -> bool:
    """Whether an account without rights of its own may pass every folder down to `path`."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def give(root: Path, account: Account) -> None:
    """Hand `root` and all that is in it to `account`, when it is not its own already; links are not followed."""
    if not account.is_other or root.lstat().st_uid == account.uid:
        return
    for folder, _, files in os.walk(root):
        for name in files:
            os.chown(Path(folder) / name, account.uid, account.gid, follow_symlinks=False)
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    os.chown(root, account.uid, account.gid)
