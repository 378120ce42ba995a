"""Made once a process, copied for each test: what takes long to make, such as a task whose models were trained."""

from __future__ import annotations

import copy
import copyreg
from collections.abc import Callable
from functools import cache, wraps
from threading import RLock
from typing import ParamSpec, TypeVar

from dissonance.security.wrapping import KeyWrap, SubjectHash

Options = ParamSpec("Options")
Item = TypeVar("Item")


def _itself(item: object) -> str:
    """`copy` leaves what reduces to a name as it is."""
    return type(item).__name__


# A key of the cryptography library cannot be copied, and never changes; a lock is copied while nobody holds it.
copyreg.pickle(KeyWrap, _itself)
copyreg.pickle(SubjectHash, _itself)
copyreg.pickle(type(RLock()), lambda _: (RLock, ()))


def made_once(make: Callable[Options, Item]) -> Callable[Options, Item]:
    """`make`, called once for the same arguments; each call gives a deep copy, whose doubles share a clock and a random
    source as the first ones did, and nothing that changes with other copies.

    >>> numbers = made_once(lambda: [1])
    >>> numbers().append(2)
    >>> numbers()
    [1]
    """
    made = cache(make)

    @wraps(make)
    def copied(*arguments: Options.args, **options: Options.kwargs) -> Item:
        return copy.deepcopy(made(*arguments, **options))

    return copied
