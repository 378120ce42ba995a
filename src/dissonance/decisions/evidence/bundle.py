"""All that one decision on a model rests on, in one record (ADR 45).

Fields are only ever added, with a default that says what older bundles did not know: the bytes that were signed are
kept as they are, so that an old bundle stays what it was.
"""

from __future__ import annotations

import msgspec

from dissonance.contracts.evidence import DecisionKind, from_canonical
from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import RuleFinding, UpdateVerdict
from dissonance.decisions.rollouts import Behaved, Believed
from dissonance.decisions.updates.numbers import UpdateNumbers
from dissonance.errors import PolicyInvalid, RecordBroken
from dissonance.ports.rollouts import PairedCounts, Rollout

FORM = 1

PUT_BACK = "put_back"
"""Among `digests`: of the model that is in production in the place of one whose rollout a person ended."""


class ModelEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Which model: digests are SHA-256, 64 hex digits, empty where the decision did not look.

    `digest` is of the manifest that was signed, `critic_digest` of its critic's; `files` of each file of the artefact;
    `ml_bom` of its CycloneDX bill of materials, where it has one.
    """

    version: int
    digest: str
    critic_digest: str = ""
    training_data_digest: str = ""
    files: dict[str, str] = {}
    ml_bom: str = ""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate said of a candidate, an override apart, and the numbers of every rule."""

    numbers: UpdateNumbers
    verdict: UpdateVerdict
    findings: tuple[RuleFinding, ...]


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """The start of a rollout at event time `now_us`; `latest` was the newest before. `at_once`: a person asked for no
    canary."""

    latest: Rollout | None
    now_us: int
    at_once: bool
    phase: RolloutPhase


class StepTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What `next_step` was given at event time `now_us`, and what it said; `rollout` as it was before.
    `form`: of its words, as `next_step` knows them."""

    rollout: Rollout
    paired: PairedCounts
    believed: Believed | None
    now_us: int
    phase: RolloutPhase
    reason: str
    behaved: Behaved | None = None
    form: int = 1


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. Times are microseconds since 1970 UTC: `decided_at_us` of the clock, `event_time_us` how far event
    time had come.

    `candidate` is the version it is about, `incumbent` the one that it is held against or replaces. `production`: the
    version in production once it is carried out, beside a canary that answers a `share` of requests. `digests` of what
    was looked at, SHA-256 by name. `parent`: id of the decision that this one follows from; `anchor`: digest of the
    last anchor before it; both empty where there is none. Of `judgement`, `beginning` and `step` there is at most one:
    nobody computed what a person decided by hand.
    """

    kind: DecisionKind
    cause: str
    task_id: str
    task: str
    decided_at_us: int
    event_time_us: int
    by: str
    reason: str
    candidate: ModelEvidence
    incumbent: ModelEvidence | None
    production: int
    policy: Policy
    policy_digest: str
    release: str
    share: float = 0.0
    digests: dict[str, str] = {}
    parent: str = ""
    anchor: str = ""
    judgement: Judgement | None = None
    beginning: Beginning | None = None
    step: StepTaken | None = None
    form: int = FORM


def read_bundle(body: bytes) -> Bundle:
    """Raises `RecordBroken`."""
    try:
        bundle = from_canonical(body, Bundle)
    except (msgspec.MsgspecError, PolicyInvalid, UnicodeDecodeError) as error:
        raise RecordBroken(
            f"a decision cannot be read: {error}",
            where="hash chain",
            fix="read it with the release that made it, or a newer one",
        ) from error
    if bundle.form != FORM:
        raise RecordBroken(
            f"a decision is of form {bundle.form}", where="hash chain", fix="read it with the release that made it"
        )
    return bundle
