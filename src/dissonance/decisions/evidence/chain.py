"""Does a hash chain hold, with every decision in it and every anchor outside of it? Says what is broken first. Pure.

Who can write to the database can change a link (its digest tells), take one out (the next one tells), and with more
effort put digests of his own in place of all that follow (an anchor tells), or cut the end off (an anchor tells). Who
writes bundles of his own needs the signing key. Who takes anchors away as well is told of by the bundles, which name
the last anchor before them, but for those written since the last decision: see ADR 45.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.times import to_text
from dissonance.decisions.evidence.bundle import Bundle, read_bundle
from dissonance.ports.decisions import ChainHead, ChainLink
from dissonance.security.evidence import Anchor, SignedBundle, line_digest, open_bundle, read_anchor

CHAIN_START = bytes(32)
ANCHORED_WITHIN_US = 60_000_000
"""A process that ended right after a decision leaves the anchor to whoever is next, who has this long."""

GOLDEN_ROWS = "golden_rows"
"""Name of the digest of the golden rows as they are stored."""


GOLDEN_BEFORE = "golden_rows_before"
"""Of those that a fresh holdout took the place of."""


class Fault(StrEnum):
    LINK_CHANGED = "link changed"
    LINK_MISSING = "link missing"
    BUNDLE_CHANGED = "bundle changed"
    SIGNATURE_WRONG = "wrong signature"
    INDEX_DIFFERS = "index differs"
    GOLDEN_ROWS_CHANGED = "golden rows changed"
    CHAIN_REPLACED = "chain replaced"
    CHAIN_CUT = "chain cut"
    ANCHOR_CHANGED = "anchor changed"
    ANCHOR_MISSING = "anchor missing"
    TABLE_DIFFERS = "table differs"


class Broken(NamedTuple):
    """The first thing that does not hold; `link` 0 where it is at none."""

    fault: Fault
    link: int
    what: str


class ChainCheck:
    """Give it every link up to `head` in order, then ask for the result.

    `lines`: the anchors as they were before `head` was read. `golden_digest`: of the golden rows as they are now.
    `on_decision` gets the number of the link and the bundle of every decision that holds.
    """

    def __init__(
        self,
        task_id: str,
        head: ChainHead,
        lines: Sequence[bytes],
        public_key: bytes,
        golden_digest: str,
        on_decision: Callable[[int, Bundle], None] = lambda link, bundle: None,
    ) -> None:
        self._task_id = task_id
        self._head = head
        self._lines = list(lines)
        self._public_key = public_key
        self._golden_digest = golden_digest
        self._golden_known: set[str] = set()
        self._golden_newest: tuple[int, str] | None = None
        self._on_decision = on_decision
        self._digests = {
            anchor.link: anchor.digest for line in lines if (anchor := read_anchor(line, public_key)) is not None
        }
        self._anchored_to = 0
        self._link = 0
        self._digest = CHAIN_START
        self._known: set[str] = set()
        self._named_anchors: dict[str, int] = {}
        self._last: tuple[int, Bundle] | None = None
        self.broken: Broken | None = None
        self.decisions = 0

    def add(self, link: ChainLink) -> None:
        if self.broken is None:
            self.broken = self._fault_of(link)

    def result(self, lines: Sequence[bytes], now_us: int) -> Broken | None:
        """None when all holds. `lines`: the anchors as they are now."""
        if self.broken is None:
            self.broken = (
                self._golden_now() or self._end() or self._anchors(list(lines)) or self._uncovered(list(lines), now_us)
            )
        return self.broken

    def _fault_of(self, link: ChainLink) -> Broken | None:
        expected = self._link + 1
        if link.number != expected:
            return Broken(Fault.LINK_MISSING, expected, f"link {expected} is missing")
        if link.previous != self._digest:
            return Broken(Fault.LINK_CHANGED, expected, f"link {expected} does not follow the link before it")
        bundle = open_bundle(link.evidence)
        digest = hashlib.sha256(link.previous + link.evidence).digest()
        if digest != link.digest:
            return _changed(link, bundle)
        self._link, self._digest = expected, digest
        fault = self._decision(link, bundle)
        if fault is None and expected in self._digests:
            if self._digests[expected] != digest.hex():
                what = f"a link from {self._anchored_to + 1} to {expected} is not the one that was anchored"
                return Broken(Fault.CHAIN_REPLACED, expected, what)
            self._anchored_to = expected
        return fault

    def _decision(self, link: ChainLink, signed: SignedBundle | None) -> Broken | None:
        if signed is None:
            if not link.decision_id:
                return None
            return Broken(Fault.BUNDLE_CHANGED, link.number, f"link {link.number} holds no decision any more")
        if not signed.is_signed_by(self._public_key):
            return _wrong_signature(link.number)
        if signed.decision_id != link.decision_id:
            what = f"the decision of link {link.number} is not listed, or under another id"
            return Broken(Fault.INDEX_DIFFERS, link.number, what)
        bundle = read_bundle(signed.body)
        self.decisions += 1
        if bundle.task_id != self._task_id or (bundle.parent and bundle.parent not in self._known):
            what = f"the decision of link {link.number} belongs to another chain"
            return Broken(Fault.BUNDLE_CHANGED, link.number, what)
        self._known.add(signed.decision_id)
        self._last = (link.number, bundle)
        if bundle.anchor:
            self._named_anchors.setdefault(bundle.anchor, link.number)
        self._on_decision(link.number, bundle)
        return self._golden(link.number, bundle)

    def _golden(self, link: int, bundle: Bundle) -> Broken | None:
        """Every holdout but the first is one that a decision put in place of the one before. A judgement may have
        looked at rows that were retired before it was recorded."""
        seen, newest = bundle.digests.get(GOLDEN_ROWS), self._golden_newest
        if seen is None:
            return None
        is_fresh = bundle.kind is DecisionKind.HOLDOUT_REFRESHED
        if newest is not None and is_fresh and bundle.digests.get(GOLDEN_BEFORE) != newest[1]:
            return _golden_changed(link)
        if newest is not None and not is_fresh and seen not in self._golden_known:
            return _golden_changed(link)
        if newest is None or is_fresh:
            self._golden_newest = (link, seen)
        self._golden_known.add(seen)
        return None

    def _golden_now(self) -> Broken | None:
        if self._golden_newest is not None and self._golden_newest[1] != self._golden_digest:
            return _golden_changed(self._golden_newest[0])
        return None

    def _end(self) -> Broken | None:
        if self._link < self._head.link:
            return Broken(Fault.LINK_MISSING, self._link + 1, f"link {self._link + 1} is missing")
        if self._digest != self._head.digest:
            return Broken(Fault.LINK_CHANGED, self._link, f"the chain does not end with link {self._link} as it is now")
        return None

    def _anchors(self, lines: list[bytes]) -> Broken | None:
        if lines[: len(self._lines)] != self._lines:
            return Broken(Fault.ANCHOR_CHANGED, 0, "the anchors changed while they were read")
        before, link = "", 0
        for number, line in enumerate(lines, start=1):
            anchor = read_anchor(line, self._public_key)
            if anchor is None or anchor.task_id != self._task_id:
                return Broken(Fault.ANCHOR_CHANGED, 0, f"anchor {number} was changed, or is not signed by this system")
            if anchor.number != number or anchor.previous != before:
                return Broken(Fault.ANCHOR_MISSING, 0, f"anchor {number} is missing, or was exchanged")
            if anchor.link <= link:
                return Broken(Fault.ANCHOR_CHANGED, anchor.link, f"anchor {number} goes back to link {anchor.link}")
            if number <= len(self._lines) and anchor.link > self._head.link:
                return self._cut(anchor)
            before, link = line_digest(line), anchor.link
        return None

    def _cut(self, anchor: Anchor) -> Broken:
        what = (
            f"the chain ends with link {self._head.link}, but link {anchor.link} was there at {to_text(anchor.at_us)}: "
            f"it was cut, or an older copy was put in its place"
        )
        return Broken(Fault.CHAIN_CUT, self._head.link + 1, what)

    def _uncovered(self, lines: list[bytes], now_us: int) -> Broken | None:
        there = {line_digest(line) for line in lines}
        for digest, link in self._named_anchors.items():
            if digest not in there:
                what = f"the decision of link {link} was made after an anchor that is missing"
                return Broken(Fault.ANCHOR_MISSING, link, what)
        newest = read_anchor(lines[-1], self._public_key) if lines else None
        covered = 0 if newest is None else newest.link
        if self._last is not None:
            link, bundle = self._last
            if link > covered and bundle.decided_at_us < now_us - ANCHORED_WITHIN_US:
                what = f"the decision of link {link}, of {to_text(bundle.decided_at_us)}, has no anchor"
                return Broken(Fault.ANCHOR_MISSING, link, what)
        return None


def _changed(link: ChainLink, bundle: SignedBundle | None) -> Broken:
    """Of what was written under a digest something is not what it was."""
    if not link.decision_id:
        return Broken(Fault.LINK_CHANGED, link.number, f"the evidence of link {link.number} was changed")
    if bundle is not None and bundle.decision_id == link.decision_id:
        return _wrong_signature(link.number)
    return Broken(Fault.BUNDLE_CHANGED, link.number, f"the decision of link {link.number} was changed")


def _golden_changed(link: int) -> Broken:
    return Broken(
        Fault.GOLDEN_ROWS_CHANGED, link, f"the golden rows are not those that the decision of link {link} looked at"
    )


def _wrong_signature(link: int) -> Broken:
    return Broken(Fault.SIGNATURE_WRONG, link, f"the signature of the decision of link {link} does not hold")
