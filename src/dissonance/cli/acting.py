"""Who runs a command: what decisions and other records name as `by`, and whether tasks are named to them that they did
not name. Decided before it does anything (`cli.access`)."""

from __future__ import annotations

import os
import pwd
from contextvars import ContextVar

_name: ContextVar[str] = ContextVar("acting_as", default="")
_lists_tasks: ContextVar[bool] = ContextVar("lists_tasks", default=False)


def acting_as() -> str:
    """Who logged in, or whose token it is; without either, the account."""
    return _name.get() or account()


def lists_tasks() -> bool:
    """Whether they may see the names of all tasks."""
    return _lists_tasks.get()


def act_as(name: str, *, lists_tasks: bool = False) -> None:
    """From now on; "" is nobody but the account."""
    _name.set(name)
    _lists_tasks.set(lists_tasks)


def account() -> str:
    """The account that this process runs under; its number where it has no name."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
