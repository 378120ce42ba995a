"""Does the hash chain of a task hold, with every decision in it? Says what is broken first. Pure.

Beyond what `LinkCheck` finds: who writes bundles of his own needs the signing key. Who takes anchors away as well is
told of by the bundles, which name the last anchor before them, but for those written since the last decision: ADR 45.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.times import to_text
from dissonance.decisions.evidence.bundle import Bundle, read_bundle
from dissonance.decisions.evidence.links import Broken, Fault, LinkCheck
from dissonance.ports.decisions import ChainHead, ChainLink
from dissonance.security.evidence import open_bundle, read_anchor

ANCHORED_WITHIN_US = 60_000_000
"""A process that ended right after a decision leaves the anchor to whoever is next, who has this long."""

GOLDEN_ROWS = "golden_rows"
"""Name of the digest of the golden rows as they are stored."""

GOLDEN_BEFORE = "golden_rows_before"
"""Of those that a fresh holdout took the place of."""


class ChainCheck(LinkCheck):
    """`golden_digest`: of the golden rows as they are now. `on_decision` gets the number of the link and the bundle of
    every decision that holds."""

    def __init__(
        self,
        task_id: str,
        head: ChainHead,
        lines: Sequence[bytes],
        public_key: bytes,
        golden_digest: str,
        on_decision: Callable[[int, Bundle], None] = lambda link, bundle: None,
    ) -> None:
        super().__init__(task_id, head, lines, public_key)
        self._golden_digest = golden_digest
        self._golden_known: set[str] = set()
        self._golden_newest: tuple[int, str] | None = None
        self._on_decision = on_decision
        self._known: set[str] = set()
        self._last: tuple[int, Bundle] | None = None
        self.decisions = 0

    def _content(self, link: ChainLink) -> Broken | None:
        signed = open_bundle(link.evidence)
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
        if bundle.task_id != self._chain_id or (bundle.parent and bundle.parent not in self._known):
            what = f"the decision of link {link.number} belongs to another chain"
            return Broken(Fault.BUNDLE_CHANGED, link.number, what)
        self._known.add(signed.decision_id)
        self._last = (link.number, bundle)
        self._names(bundle.anchor, link.number)
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
        return self._golden_now() or super()._end()

    def _changed(self, link: ChainLink) -> Broken:
        if not link.decision_id:
            return super()._changed(link)
        bundle = open_bundle(link.evidence)
        if bundle is not None and bundle.decision_id == link.decision_id:
            return _wrong_signature(link.number)
        return Broken(Fault.BUNDLE_CHANGED, link.number, f"the decision of link {link.number} was changed")

    def _uncovered(self, lines: list[bytes], now_us: int) -> Broken | None:
        missing = super()._uncovered(lines, now_us)
        if missing is not None or self._last is None:
            return missing
        newest = read_anchor(lines[-1], self._public_key) if lines else None
        link, bundle = self._last
        if link > (0 if newest is None else newest.link) and bundle.decided_at_us < now_us - ANCHORED_WITHIN_US:
            what = f"the decision of link {link}, of {to_text(bundle.decided_at_us)}, has no anchor"
            return Broken(Fault.ANCHOR_MISSING, link, what)
        return None


def _golden_changed(link: int) -> Broken:
    return Broken(
        Fault.GOLDEN_ROWS_CHANGED, link, f"the golden rows are not those that the decision of link {link} looked at"
    )


def _wrong_signature(link: int) -> Broken:
    return Broken(Fault.SIGNATURE_WRONG, link, f"the signature of the decision of link {link} does not hold")
