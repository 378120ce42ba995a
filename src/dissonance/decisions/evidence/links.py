"""Does a hash chain hold: each link follows the one before, it ends where its head says, and every anchor outside of it
saw it so? What the links hold is for who derives from `LinkCheck`. Pure.

Who can write to the database can change a link (its digest tells), take one out (the next one tells), and with more
effort put digests of his own in place of all that follow (an anchor tells), or cut the end off (an anchor tells).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from dissonance.contracts.times import to_text
from dissonance.ports.decisions import ChainHead, ChainLink
from dissonance.security.evidence import Anchor, line_digest, read_anchor

CHAIN_START = bytes(32)


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


class LinkCheck:
    """Give it every link up to `head` in order, then ask for the result.

    `chain_id`: the task's, or that of the whole system. `lines`: the anchors as they were before `head` was read.
    """

    def __init__(self, chain_id: str, head: ChainHead, lines: Sequence[bytes], public_key: bytes) -> None:
        self._chain_id = chain_id
        self._head = head
        self._lines = list(lines)
        self._public_key = public_key
        self._digests = {
            anchor.link: anchor.digest for line in lines if (anchor := read_anchor(line, public_key)) is not None
        }
        self._anchored_to = 0
        self._link = 0
        self._digest = CHAIN_START
        self._named_anchors: dict[str, int] = {}
        self.broken: Broken | None = None

    def add(self, link: ChainLink) -> None:
        if self.broken is None:
            self.broken = self._fault_of(link)

    def result(self, lines: Sequence[bytes], now_us: int) -> Broken | None:
        """None when all holds. `lines`: the anchors as they are now."""
        if self.broken is None:
            self.broken = self._end() or self._anchors(list(lines)) or self._uncovered(list(lines), now_us)
        return self.broken

    def _content(self, link: ChainLink) -> Broken | None:
        """What is wrong with that which the link holds; its digest is right."""
        return None

    def _changed(self, link: ChainLink) -> Broken:
        """Of what was written under a digest something is not what it was."""
        return Broken(Fault.LINK_CHANGED, link.number, f"the evidence of link {link.number} was changed")

    def _names(self, anchor: str, link: int) -> None:
        """What the link holds says that this was the last anchor before it."""
        if anchor:
            self._named_anchors.setdefault(anchor, link)

    def _fault_of(self, link: ChainLink) -> Broken | None:
        expected = self._link + 1
        if link.number != expected:
            return Broken(Fault.LINK_MISSING, expected, f"link {expected} is missing")
        if link.previous != self._digest:
            return Broken(Fault.LINK_CHANGED, expected, f"link {expected} does not follow the link before it")
        digest = hashlib.sha256(link.previous + link.evidence).digest()
        if digest != link.digest:
            return self._changed(link)
        self._link, self._digest = expected, digest
        fault = self._content(link)
        if fault is None and expected in self._digests:
            if self._digests[expected] != digest.hex():
                what = f"a link from {self._anchored_to + 1} to {expected} is not the one that was anchored"
                return Broken(Fault.CHAIN_REPLACED, expected, what)
            self._anchored_to = expected
        return fault

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
            if anchor is None or anchor.task_id != self._chain_id:
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
                what = f"what link {link} holds was written after an anchor that is missing"
                return Broken(Fault.ANCHOR_MISSING, link, what)
        return None
