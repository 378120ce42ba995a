"""Decisions as the HTTP API and the command line tell them."""

from __future__ import annotations

import msgspec

from dissonance.contracts.decision_api import DecisionLine, DecisionReply
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_text, to_us
from dissonance.decisions.evidence.bundle import Bundle, read_bundle
from dissonance.errors import InputError, RecordBroken, UnknownDecision
from dissonance.ports.decisions import ALL, DecisionStore, KeptDecision, Wanted
from dissonance.security.evidence import DECISION_PURPOSE, SignedBundle, open_bundle

LEAST_DIGITS = 6


def wanted(kinds: list[str], version: int | None, start: str | None, end: str | None) -> Wanted:
    """Raises `InputError` for a kind that there is not, `WrongType` for what is no time."""
    known = {kind.value: kind for kind in DecisionKind}
    for kind in kinds:
        if kind not in known:
            raise InputError(f"there is no kind '{kind}'", where="kind", fix=f"the kinds are {', '.join(known)}")
    return Wanted(
        tuple(known[kind] for kind in kinds),
        version,
        ALL.start_us if start is None else to_us(start, "from"),
        ALL.end_us if end is None else to_us(end, "to"),
    )


async def find_decision(store: DecisionStore, task: Task, start: str) -> KeptDecision:
    """The one whose id is, or starts with, `start`. Raises `UnknownDecision`."""
    found = await store.decisions_named(task.task_id, start.lower()) if len(start) >= LEAST_DIGITS else []
    if len(found) == 1:
        return found[0]
    what = "several decisions have ids that start" if found else "no decision has an id that starts"
    raise UnknownDecision(
        f"{what} with '{start[:64]}'",
        where="decision_id",
        fix=f"give {LEAST_DIGITS} digits of it, or more: dissonance decisions list {task.name}",
    )


def opened(kept: KeptDecision) -> tuple[SignedBundle, Bundle]:
    """Nothing is verified. Raises `RecordBroken`."""
    signed = open_bundle(kept.decision.evidence)
    if signed is None:
        raise RecordBroken(
            f"link {kept.link} of the hash chain holds no decision any more",
            where="hash chain",
            fix="dissonance decisions verify says what is broken",
        )
    return signed, read_bundle(signed.body)


def decision_line(kept: KeptDecision) -> DecisionLine:
    signed, bundle = opened(kept)
    return DecisionLine(
        decision_id=signed.decision_id,
        link=kept.link,
        kind=bundle.kind.value,
        version=bundle.candidate.version,
        previous_version=None if bundle.incumbent is None else bundle.incumbent.version,
        production=bundle.production,
        by=bundle.by,
        reason=bundle.reason,
        decided_at=to_text(bundle.decided_at_us),
        event_time=to_text(bundle.event_time_us),
        policy_version=bundle.policy.version,
        parent=bundle.parent,
    )


def decision_reply(task: str, kept: KeptDecision, public_key: bytes) -> DecisionReply:
    """`public_key` of this system."""
    signed, _ = opened(kept)
    return DecisionReply(
        task=task,
        decision=decision_line(kept),
        bundle=msgspec.json.decode(signed.body),
        body=signed.body.decode(),
        purpose=DECISION_PURPOSE,
        signature=signed.signature.hex(),
        public_key=signed.public_key.hex(),
        signed=signed.is_signed_by(public_key),
    )
