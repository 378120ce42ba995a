"""Bundles, signed, in a chain with anchors; and what somebody with the database in their hands would do to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from dissonance.contracts.evidence import DecisionKind, canonical
from dissonance.contracts.policy import Policy, policy_digest
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.evidence.again import KINDS, kind_of
from dissonance.decisions.evidence.bundle import Beginning, Bundle, Judgement, ModelEvidence, StepTaken
from dissonance.decisions.evidence.chain import GOLDEN_ROWS, ChainCheck
from dissonance.decisions.evidence.links import CHAIN_START, Broken
from dissonance.decisions.rollouts import SIDE_NAMED, Behaved, Believed, next_step
from dissonance.decisions.updates.numbers import UpdateNumbers
from dissonance.decisions.updates.verdict import judge_update
from dissonance.ports.decisions import ChainHead, ChainLink, Decision
from dissonance.ports.rollouts import PairedCounts, Rollout
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.evidence import Anchor, SignedBundle, anchor_line, line_digest, sign_bundle

TASK_ID = "a" * 32
KEYS = ArtefactKeys.from_seed(b"\x01" * 32, b"\x02" * 32)
FOREIGN_KEYS = ArtefactKeys.from_seed(b"\x01" * 32, b"\x03" * 32)
GOLDEN = "9" * 64
MINUTE_US = 60_000_000


def bundle_of(kind: DecisionKind = DecisionKind.PROMOTED, **changes: Any) -> Bundle:
    """A person's decision on version 2, which is in production after it, unless changed."""
    policy = changes.get("policy", Policy())
    bundle = Bundle(
        kind=kind,
        cause="by hand",
        task_id=TASK_ID,
        task="small",
        decided_at_us=0,
        event_time_us=0,
        by="ann",
        reason="a test",
        candidate=ModelEvidence(version=2, digest=f"{2:064x}"),
        incumbent=ModelEvidence(version=1, digest=f"{1:064x}"),
        production=2,
        policy=policy,
        policy_digest=policy_digest(policy),
        release="0.0.0",
        digests={GOLDEN_ROWS: GOLDEN},
    )
    return replace(bundle, **changes)


def judged_bundle(numbers: UpdateNumbers, policy: Policy, *, overridden: bool = False, **changes: Any) -> Bundle:
    verdict, findings = judge_update(numbers, policy)
    refused = verdict is UpdateVerdict.REFUSED
    judgement = Judgement(numbers=numbers, verdict=verdict, findings=findings)
    kind = kind_of(verdict, overridden=overridden and refused)
    return bundle_of(kind, policy=policy, judgement=judgement, production=1, **changes)


def step_bundle(
    rollout: Rollout,
    paired: PairedCounts,
    believed: Believed | None,
    now_us: int,
    policy: Policy,
    behaved: Behaved | None = None,
    form: int = SIDE_NAMED,
) -> Bundle | None:
    """None where nothing would be decided."""
    step = next_step(rollout, paired, believed, now_us, policy, behaved, form)
    if step is None:
        return None
    taken = StepTaken(
        rollout=rollout,
        paired=paired,
        believed=believed,
        behaved=behaved,
        now_us=now_us,
        phase=step.phase,
        reason=step.reason,
        form=form,
    )
    share = (step.share or rollout.share) if step.phase is RolloutPhase.CANARY else 0.0
    return bundle_of(KINDS[step.phase], policy=policy, reason=step.reason, share=share, step=taken)


def begun_bundle(latest: Rollout | None, policy: Policy, phase: RolloutPhase, *, at_once: bool = False) -> Bundle:
    beginning = Beginning(latest=latest, now_us=0, at_once=at_once, phase=phase)
    share = policy.canary_share if phase is RolloutPhase.CANARY and not policy.shadow_rows else 0.0
    return bundle_of(KINDS[phase], policy=policy, share=share, beginning=beginning)


def signed(bundle: Bundle, keys: ArtefactKeys = KEYS) -> SignedBundle:
    return sign_bundle(canonical(bundle), keys)


def decision_from(bundle: Bundle, keys: ArtefactKeys = KEYS) -> Decision:
    proven = signed(bundle, keys)
    return Decision(
        task_id=bundle.task_id,
        decision_id=proven.decision_id,
        cause=bundle.cause,
        kind=bundle.kind,
        version=bundle.candidate.version,
        decided_at_us=bundle.decided_at_us,
        evidence=proven.encoded(),
    )


class Chain:
    """A chain in good order, that a test may then tamper with: `links`, `lines` of anchors, and `head`."""

    def __init__(self) -> None:
        self.links: list[ChainLink] = []
        self.lines: list[bytes] = []
        self.head = ChainHead(0, CHAIN_START)

    def add(self, evidence: bytes, decision_id: str = "") -> int:
        digest = hashlib.sha256(self.head.digest + evidence).digest()
        self.links.append(ChainLink(self.head.link + 1, self.head.digest, digest, evidence, decision_id))
        self.head = ChainHead(self.head.link + 1, digest)
        return self.head.link

    def decide(self, bundle: Bundle, keys: ArtefactKeys = KEYS) -> str:
        """Its id. It names the last anchor, as decisions do."""
        last = self.lines[-1] if self.lines else None
        proven = signed(replace(bundle, anchor=line_digest(last)), keys)
        self.add(proven.encoded(), proven.decision_id)
        return proven.decision_id

    def anchor(self, keys: ArtefactKeys = KEYS, **changes: Any) -> None:
        last = self.lines[-1] if self.lines else None
        anchor = Anchor(
            task_id=TASK_ID,
            link=self.head.link,
            digest=self.head.digest.hex(),
            number=len(self.lines) + 1,
            previous=line_digest(last),
            at_us=0,
        )
        self.lines.append(anchor_line(replace(anchor, **changes), keys))

    def again(self, evidence: Sequence[tuple[bytes, str]]) -> None:
        """All links anew over this evidence, as who can write to the database would; the anchors stay."""
        self.links, self.head = [], ChainHead(0, CHAIN_START)
        for each, decision_id in evidence:
            self.add(each, decision_id)

    def contents(self) -> list[tuple[bytes, str]]:
        return [(link.evidence, link.decision_id) for link in self.links]

    def check(self, now_us: int = 60 * MINUTE_US, golden: str = GOLDEN) -> Broken | None:
        checked = ChainCheck(TASK_ID, self.head, self.lines, KEYS.verification, golden)
        for link in self.links:
            checked.add(link)
        return checked.result(self.lines, now_us)
