"""Everything the store in memory holds of one task."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import NamedTuple

from dissonance.contracts.estimates import WindowEstimate
from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.schema import Task
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.ports.decisions import Decision, KeptDecision
from dissonance.ports.labels import LabelRequest
from dissonance.ports.replays import ReplayedVerdict, ReplayRecord
from dissonance.ports.rollouts import Rollout
from dissonance.ports.store import Experience, PolicyRecord, Split, Window


class Link(NamedTuple):
    """`digest`: SHA-256 of the digest before, followed by `evidence`."""

    digest: bytes
    evidence: bytes


class Head(NamedTuple):
    """Where the chain ends: number and digest of its last link."""

    link: int
    digest: bytes


class LabelLine(NamedTuple):
    """A joined label; `right` is None when it was withdrawn. See `ports.labels.LabelRows`."""

    sealed: bytes
    labelled_at_us: int
    right: bool | None
    critic_right: bool | None
    shadow_right: bool | None
    learnable: bool
    source: str


class Chain:
    """A hash chain."""

    def __init__(self) -> None:
        self.chain: list[Link] = []
        self.head = Head(0, bytes(32))

    def add_link(self, evidence: bytes) -> int:
        """Append to the chain; returns the link."""
        digest = hashlib.sha256(self.head.digest + evidence).digest()
        self.head = Head(self.head.link + 1, digest)
        self.chain.append(Link(digest, evidence))
        return self.head.link


class TaskRows(Chain):
    """Plain dicts, keyed by what makes a row one: row number, prediction id, window id."""

    def __init__(self, task: Task, policy: PolicyRecord) -> None:
        super().__init__()
        self.task = task
        self.policies = [policy]
        self.reference: dict[int, tuple[Split, bytes, bytes]] = {}
        self.experience: dict[bytes, Experience] = {}
        self.verdicts: dict[bytes, tuple[Verdict, Reason, int]] = {}
        self.spent: Counter[int] = Counter()
        self.windows: dict[str, Window] = {}
        self.estimates: dict[str, WindowEstimate] = {}
        self.labels: dict[bytes, LabelLine] = {}
        self.requests: dict[bytes, LabelRequest] = {}
        self.rollouts: dict[str, Rollout] = {}
        self.untold: dict[str, tuple[int, Rollout]] = {}
        self.updates: dict[str, tuple[UpdateJudged, int]] = {}
        self.decisions: list[KeptDecision] = []
        self.replays: dict[str, ReplayRecord] = {}
        self.replayed: dict[str, dict[bytes, ReplayedVerdict]] = {}
        self.dropped = 0

    def add_decision(self, decision: Decision) -> int:
        """Append to the chain, and to what decisions are found by; returns the link."""
        link = self.add_link(decision.evidence)
        self.decisions.append(KeptDecision(link, decision))
        return link
