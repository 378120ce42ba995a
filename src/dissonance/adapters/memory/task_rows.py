"""Everything the store in memory holds of one task."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.ports.store import Experience, Split, Window


class Link(NamedTuple):
    """`digest`: SHA-256 of the digest before, followed by `evidence`."""

    digest: bytes
    evidence: bytes


class Head(NamedTuple):
    """Where the chain ends: number and digest of its last link."""

    link: int
    digest: bytes


class TaskRows:
    """Plain dicts, keyed by what makes a row one: row number, prediction id, window id."""

    def __init__(self, task: Task, policy: Policy) -> None:
        self.task = task
        self.policies = [policy]
        self.reference: dict[int, tuple[Split, bytes, bytes]] = {}
        self.experience: dict[bytes, Experience] = {}
        self.verdicts: dict[bytes, tuple[Verdict, Reason, int]] = {}
        self.chain: list[Link] = []
        self.head = Head(0, bytes(32))
        self.spent: Counter[int] = Counter()
        self.windows: dict[str, Window] = {}
        self.dropped = 0
