"""What is done of a scoring, kept beside its output: finished parts, and a manifest that says of what they are.

A part counts from the moment that the manifest names it. Killed at any point, the next run scores again at most the
parts that were in hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa

from dissonance.contracts.unreadable import UNREADABLE
from dissonance.decisions.tables import table_bytes, table_of
from dissonance.errors import RecordBroken, ScoringConflict
from dissonance.ports.blobs import Blobs
from dissonance.ports.scoring import Scored

MANIFEST = "manifest.json"
FOLDER_ENDING = ".parts"
SCHEMA_VERSION = 1
RESTART = "give --restart to throw away what was scored, or the same arguments again, or another --out"


class Subject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is scored, by what and how. Digests are SHA-256, 64 hex digits; `input_digest` is of the file's content."""

    task_id: str
    model_digest: str
    critic_digest: str | None
    input: str
    input_digest: str
    keys: tuple[str, ...]
    part_rows: int
    release: str


class FinishedPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`read` rows, of which `scored` and `rejected`; the digests are of the part's two files."""

    read: int
    scored: int
    rejected: int
    digest: str
    rejected_digest: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parts in order, from the first on."""

    subject: Subject
    parts: tuple[FinishedPart, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @property
    def read(self) -> int:
        return sum(part.read for part in self.parts)

    @property
    def scored(self) -> int:
        return sum(part.scored for part in self.parts)

    @property
    def rejected(self) -> int:
        return sum(part.rejected for part in self.parts)


SUBJECT_WORDS = {
    "task_id": "the task",
    "model_digest": "the model (another is in production now: --version chooses one)",
    "critic_digest": "the critic, or --contradict",
    "input": "the name of the input",
    "input_digest": "the content of the input",
    "keys": "--key",
    "part_rows": "the size of a part",
    "release": "the release of dissonance",
}


class Ledger:
    """Of the output at `out`, in the folder `<out>.parts`."""

    def __init__(self, blobs: Blobs, out: str) -> None:
        self._blobs = blobs
        self._folder = out + FOLDER_ENDING

    def begin(self, subject: Subject, taken: Sequence[str], *, restart: bool) -> Manifest:
        """What is done already. Raises `ScoringConflict` when it is of something else, or when nothing is and outputs
        are there: `taken`."""
        if restart:
            self.clear()
        earlier = self._earlier()
        if earlier is None:
            if taken and not restart:
                fix = "give another --out, or --restart to replace it"
                raise ScoringConflict("the file is there already", where=taken[0], fix=fix)
            self._keep(fresh := Manifest(subject))
            return fresh
        differing = [
            words for name, words in SUBJECT_WORDS.items() if getattr(subject, name) != getattr(earlier.subject, name)
        ]
        if differing:
            raise ScoringConflict(f"what was begun differs in {'; '.join(differing)}", where=self._folder, fix=RESTART)
        return earlier

    def add(self, manifest: Manifest, scored: Scored) -> Manifest:
        """The part's files first, then the manifest that names them."""
        number = len(manifest.parts)
        part = FinishedPart(
            scored.read,
            scored.answers.num_rows,
            scored.rejected.num_rows,
            self._write(_answers_name(number), scored.answers),
            self._write(_rejected_name(number), scored.rejected) if scored.rejected.num_rows else "",
        )
        longer = Manifest(manifest.subject, (*manifest.parts, part))
        self._keep(longer)
        return longer

    def answers(self, manifest: Manifest) -> Iterator[pa.Table]:
        """Raises `RecordBroken` for a part that is not as it was written."""
        for number, part in enumerate(manifest.parts):
            yield self._read(_answers_name(number), part.digest)

    def rejected(self, manifest: Manifest) -> Iterator[pa.Table]:
        for number, part in enumerate(manifest.parts):
            if part.rejected:
                yield self._read(_rejected_name(number), part.rejected_digest)

    def clear(self) -> None:
        self._blobs.delete_folder(self._folder)

    def _earlier(self) -> Manifest | None:
        path = f"{self._folder}/{MANIFEST}"
        if not self._blobs.exists(path):
            return None
        try:
            earlier = msgspec.json.decode(self._blobs.read(path), type=Manifest)
        except UNREADABLE as error:
            raise ScoringConflict(f"the manifest cannot be read: {error}", where=path, fix=RESTART) from error
        if earlier.schema_version != SCHEMA_VERSION:
            raise ScoringConflict("the manifest is of another release", where=path, fix=RESTART)
        return earlier

    def _keep(self, manifest: Manifest) -> None:
        self._blobs.write(f"{self._folder}/{MANIFEST}", msgspec.json.encode(manifest))

    def _write(self, name: str, table: pa.Table) -> str:
        content = table_bytes(table)
        self._blobs.write(f"{self._folder}/{name}", content)
        return hashlib.sha256(content).hexdigest()

    def _read(self, name: str, digest: str) -> pa.Table:
        path = f"{self._folder}/{name}"
        content = self._blobs.read(path)
        if hashlib.sha256(content).hexdigest() != digest:
            raise RecordBroken("the part is not as it was written", where=path, fix="score again with --restart")
        return table_of(content)


def _answers_name(number: int) -> str:
    return f"part-{number:06d}.arrow"


def _rejected_name(number: int) -> str:
    return f"part-{number:06d}.rejected.arrow"
