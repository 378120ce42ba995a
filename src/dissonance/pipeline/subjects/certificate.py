"""The certificate of an erasure, put together from what was found, and signed as decisions are (ADR 45, ADR 58)."""

from __future__ import annotations

from importlib.metadata import version

from dissonance.contracts.erasure import Certificate, Remains
from dissonance.contracts.evidence import canonical, from_canonical
from dissonance.errors import RecordBroken, SealBroken
from dissonance.pipeline.subjects.about import About
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.erasures import Erasure
from dissonance.security.evidence import ERASURE, SignedBundle, open_bundle, sign_bundle
from dissonance.security.key_cache import CACHED_US

ERASED = (
    "the key of the data subject and its spare keys: no process gets them again, whatever is restored",
    "with it features, probabilities and labels of every row, wherever a copy rests: tables, event streams, dead "
    "letters, kept answers, the spool on disk, pipeline snapshots, and backups of all of these, however old",
)

PLAIN = Remains(
    "ids, the keyed hash, times, versions, verdicts, the critic's confidence, the dissonance, and whether an "
    "answer was right",
    "windows, budgets and the chain of verdicts rest on them; no input and no answer can be read off them (ADR 9)",
)
CIPHERTEXT = Remains(
    "the sealed bytes of the rows",
    "digests of the golden holdout and of decisions cover them; nothing opens them but a key that is named below",
)
CACHES = Remains(
    f"the key in the memory of other processes, which use it for at most {CACHED_US // 1_000_000} s more",
    "keys are cached: each is let go of when others come after DISSONANCE_KEYS_AWAY_S, for which it is used on only "
    "while the keys database is away (ADR 40)",
)
KEY_BACKUPS = Remains(
    "the wrapped key in copies and backups of the keys database from before",
    "they open with the key folder until the versions of then are gone (dissonance keys rotate, keys destroy); from "
    "then on only with a copy of the key folder that holds their parts, or with any where they had none (keys list, "
    "part: no); restored here, the log of erasures destroys the key again (ADR 73)",
)
OUTSIDE = Remains(
    "data files and result files outside the system",
    "files that were given to task create, pipeline run or score, and what score wrote, are their owners' to erase",
)
MODELS = Remains(
    "what the listed models learnt from the rows, and the figures of the listed windows",
    "a model holds no row, and cannot unlearn one; ask for a retrain without them: --retrain",
)


def sign_certificate(workshop: Workshop, found: About, by: str) -> Erasure:
    """Raises `ConfigurationError` in a process without the signing key."""
    task, now_us = found.subject.task, workshop.clock.now_us()
    learnt = (MODELS,) if found.models or found.windows else ()
    certificate = Certificate(
        task_id=task.task_id,
        task=task.name,
        data_subject=found.subject.key.hex(),
        erased_at_us=now_us,
        by=by,
        release=version("dissonance"),
        rows=found.counts,
        snapshots={digest: origins.total() for digest, origins in sorted(found.snapshots.items())},
        models=tuple(found.models),
        windows=tuple(found.windows),
        erased=ERASED,
        remains=(PLAIN, CIPHERTEXT, CACHES, KEY_BACKUPS, OUTSIDE, *learnt),
    )
    signed = sign_bundle(canonical(certificate), workshop.artefact_keys, ERASURE)
    return Erasure(task.task_id, found.subject.key, now_us, signed.encoded())


def read_certificate(erasure: Erasure, public_key: bytes) -> tuple[SignedBundle, Certificate]:
    """Raises `SealBroken` when its signature does not hold, `RecordBroken` for one of another release."""
    signed = open_bundle(erasure.certificate, ERASURE)
    if signed is None or not signed.is_signed_by(public_key):
        raise SealBroken(
            "the signature of a certificate does not hold", where="erasures", fix="erase again from a backup of it"
        )
    try:
        return signed, from_canonical(signed.body, Certificate)
    except ValueError as error:
        raise RecordBroken(
            f"it is no certificate of this release: {error}", where="erasures", fix="use the release that wrote it"
        ) from error
