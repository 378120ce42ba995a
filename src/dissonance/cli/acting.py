"""Who runs a command: what decisions and other records name as `by`. Decided before it does anything (`cli.access`)."""

from __future__ import annotations

import os
import pwd
from contextvars import ContextVar

_name: ContextVar[str] = ContextVar("acting_as", default="")


def acting_as() -> str:
    """Who logged in, or whose token it is; without either, the account."""
    return _name.get() or account()


def act_as(name: str) -> None:
    """From now on; "" is nobody but the account."""
    _name.set(name)


def account() -> str:
    """The account that this process runs under; its number where it has no name."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
