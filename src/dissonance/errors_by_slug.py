"""From a slug, as a problem body or a command's JSON names it, to the error again."""

from __future__ import annotations

from dissonance.errors import DissonanceError
from dissonance.errors_of_updates import UpdateHeldUp

ROOTS: tuple[type[DissonanceError], ...] = (DissonanceError, UpdateHeldUp)
"""One of each module: what nobody has imported is not in the tree."""


def errors_by_slug() -> dict[str, type[DissonanceError]]:
    """Every error of the tree; what a problem body or a command's JSON names becomes an error again."""
    found: dict[str, type[DissonanceError]] = {}
    left = list(ROOTS)
    while left:
        kind = left.pop()
        found.setdefault(kind.slug, kind)
        left.extend(kind.__subclasses__())
    return found
