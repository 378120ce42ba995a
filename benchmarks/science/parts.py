"""The parts of the benchmark. Each is a module; all of them see the same prepared cases, in one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

from dissonance.drills.records import Limit, Raw
from science import estimates, labels, updates
from science.prepare import Prepared


class Part(Protocol):
    """What each part has; it may have `figures(summary)` too, numbers for the record, and `limits(summary)` on them."""

    __name__: str
    TITLE: str

    def rows(self, prepared: Prepared) -> list[dict[str, Any]]:
        """What was measured of one case and seed; each row has at least `group`, `case` and `seed`."""
        ...

    def summary(self, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Of the rows of all cases. A list of dicts is shown as a table under its name, other values as one table."""
        ...


PARTS: tuple[Part, ...] = tuple(cast(Part, module) for module in (estimates, labels, updates))


def name_of(part: Part) -> str:
    return part.__name__.rpartition(".")[2]


def figures_of(part: Part, summary: dict[str, Any]) -> dict[str, Raw]:
    figures = getattr(part, "figures", None)
    return dict(figures(summary)) if figures is not None else {}


def limits_of(part: Part, summary: dict[str, Any]) -> list[Limit]:
    limits = getattr(part, "limits", None)
    return list(limits(summary)) if limits is not None else []
