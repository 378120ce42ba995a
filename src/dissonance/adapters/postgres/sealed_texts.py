"""Which values of the experience store are sealed beside its rows: what people wrote, and what tells of values of
features and labels (categories, classes, ends of ranges). Plain stay ids, times, versions, verdicts, figures (ADR 9).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dissonance.security.text_seal import TextSeal

JSON: Final[Mapping[str, tuple[str, ...]]] = {
    "insert_task": ("body",),
    "insert_rollout": ("body",),
    "update_rollout": ("body",),
    "insert_untold": ("body",),
    "open_finding": ("body",),
    "save_window": ("slices",),
    "save_estimate": ("body",),
}
"""Parameters of columns of JSON, by query."""

TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "insert_policy": ("reason",),
    "insert_first_policy": ("reason",),
    "upsert_labels": ("source",),
    "revoke": ("reason",),
    "insert_judgement": ("body",),
}
"""Parameters of columns of text or bytes."""

EVIDENCE: Final = "append_decision"
"""Its chain goes over the evidence as it was said, its table keeps it sealed: parameter `kept`."""

OPENED: Final[Mapping[str, tuple[int, ...]]] = {
    "task_by_name": (0,),
    "task_by_id": (0,),
    "all_tasks": (0,),
    "policy_history": (1,),
    "rollouts": (0,),
    "live_rollouts": (0,),
    "untold_rollouts": (0,),
    "findings": (0,),
    "windows": (-2, -1),
    "window": (-2, -1),
    "revocations": (-1,),
    "updates": (0,),
    "chain_links": (3,),
    "decisions": (-1,),
    "decisions_named": (-1,),
    "decision_of": (-1,),
}
"""Where in the answers of a query such values are."""


class SealedTexts:
    """Between named queries and the database."""

    def __init__(self, seal: TextSeal) -> None:
        self._seal = seal

    def parameters(self, query: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        changed: dict[str, str | bytes] = {name: self._seal.seal_json(given[name]) for name in JSON.get(query, ())}
        changed |= {name: self._seal.seal(given[name]) for name in TEXTS.get(query, ())}
        if query == EVIDENCE:
            changed["kept"] = self._seal.seal(given["evidence"])
        return {**given, **changed} if changed else given

    def rows(self, query: str, found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Raises `SealBroken`."""
        places = OPENED.get(query)
        if places is None:
            return found
        return [self._row(row, places) for row in found]

    def text(self, stored: str) -> str:
        """Of rows that come packed. Raises `SealBroken`."""
        return str(self._seal.open(stored))

    def _row(self, row: tuple[Any, ...], places: tuple[int, ...]) -> tuple[Any, ...]:
        values = list(row)
        for place in places:
            values[place] = self._seal.open(values[place])
        return tuple(values)
