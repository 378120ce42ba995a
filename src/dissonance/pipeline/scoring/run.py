"""Batch scoring from end to end: open the model, read, score, keep, and put the output together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

import pyarrow as pa

from dissonance import __version__
from dissonance.contracts.schema import Task
from dissonance.decisions.scoring import ScorerSpecification, part_rows
from dissonance.decisions.scoring_tables import ROW, check_keys, needed_columns
from dissonance.errors import InputError, ScoringConflict
from dissonance.errors_by_slug import errors_by_slug
from dissonance.pipeline.aliases import open_pair, open_version, production_version
from dissonance.pipeline.scoring.formats import Format, input_format, output_format, write_tables
from dissonance.pipeline.scoring.ledger import RESTART, Ledger, Manifest, Subject
from dissonance.pipeline.scoring.reading import reading
from dissonance.pipeline.scoring.source import Source, parts, require_columns
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.blobs import Blobs
from dissonance.ports.scoring import Crew, Scored
from dissonance.security.artefacts import Artefact

CHUNK_BYTES = 4_194_304


class OnBadRow(StrEnum):
    """`STOP`: the first ends it; `SKIP`: they are left out; `REPORT`: they are left out, and listed in a file."""

    STOP = "stop"
    SKIP = "skip"
    REPORT = "report"


class Model(NamedTuple):
    """Verified and opened; `critic` is None unless it was asked for."""

    task: Task
    version: int
    proposer: Artefact
    critic: Artefact | None


class Place(NamedTuple):
    """A file: its path in its storage, and as it was given."""

    blobs: Blobs
    path: str
    shown: str


class Request(NamedTuple):
    """`rejected` is where rejected rows go, for `OnBadRow.REPORT`."""

    source: Place
    out: Place
    rejected: Place | None
    keys: tuple[str, ...] = ()
    on_bad_row: OnBadRow = OnBadRow.STOP
    restart: bool = False


class Outcome(NamedTuple):
    """Rows of the input, what became of them, and how many an earlier run had done."""

    read: int
    scored: int
    rejected: int
    resumed: int
    parts: int


MakeCrew = Callable[[ScorerSpecification], Crew]
Progress = Callable[[int], None]
"""Told how many more rows are done."""


async def open_model(workshop: Workshop, name: str, version: int | None, *, contradict: bool) -> Model:
    """The version in production, or that one. Raises `UnknownTask`, `ModelNotFound`, `ModelRefused`."""
    task = await workshop.store.by_name(name)
    if version is None:
        pair = await open_pair(workshop, task, await production_version(workshop, task))
    else:
        pair = await open_version(workshop, task, version)
    return Model(task, pair.version.version, pair.artefact, pair.critic_artefact if contradict else None)


class Scoring:
    """One file and one model. Blocking."""

    def __init__(self, model: Model, request: Request, rows_a_part: int | None = None) -> None:
        """Raises what is wrong with the request before anything is read of the rows. `rows_a_part`: by the width of a
        row when left out."""
        check_keys(model.task, request.keys)
        _check_places(request)
        self._model = model
        self._request = request
        self._format = output_format(request.out.path)
        self.source, text_cells = _open_source(model.task, request)
        self.specification = ScorerSpecification(
            task=model.task,
            proposer=model.proposer,
            critic=model.critic,
            keys=request.keys,
            text_cells=text_cells,
            stop_at_first=request.on_bad_row is OnBadRow.STOP,
        )
        self._ledger = Ledger(request.out.blobs, request.out.path)
        self._part_rows = rows_a_part or part_rows(len(model.task.schema.features), len(model.task.classes))

    @property
    def rows(self) -> int | None:
        """Of the input, where its footer tells."""
        return self.source.rows

    def run(self, make_crew: MakeCrew, progress: Progress) -> Outcome:
        """Goes on where an earlier run was cut. Raises `ScoringConflict` when that was of something else, and for a bad
        row, with `OnBadRow.STOP`, what is wrong with it."""
        source = self._request.source
        stamp = source.blobs.stamp(source.path)
        manifest = self._ledger.begin(self._subject(), self._taken(), restart=self._request.restart)
        if self._request.on_bad_row is OnBadRow.STOP and manifest.rejected:
            raise ScoringConflict("an earlier run left bad rows out", where=self._request.out.shown, fix=RESTART)
        resumed = manifest.read
        progress(resumed)
        todo = parts(self.source, self._part_rows, len(manifest.parts))
        for scored in make_crew(self.specification).score(todo):
            self._refuse_bad_rows(scored)
            manifest = self._ledger.add(manifest, scored)
            progress(scored.read)
        if source.blobs.stamp(source.path) != stamp:
            raise ScoringConflict(
                "the input was changed while it was read", where=source.shown, fix="score it again with --restart"
            )
        self._put_together(manifest)
        self._ledger.clear()
        return Outcome(manifest.read, manifest.scored, manifest.rejected, resumed, len(manifest.parts))

    def _taken(self) -> list[str]:
        """Files that are there, where this one is to write."""
        places = (self._request.out, self._request.rejected)
        return [place.shown for place in places if place is not None and place.blobs.exists(place.path)]

    def _subject(self) -> Subject:
        source = self._request.source
        return Subject(
            task_id=self._model.task.task_id,
            model_digest=self._model.proposer.digest,
            critic_digest=None if self._model.critic is None else self._model.critic.digest,
            input=source.shown,
            input_digest=content_digest(source),
            keys=self._request.keys,
            part_rows=self._part_rows,
            release=__version__,
        )

    def _refuse_bad_rows(self, scored: Scored) -> None:
        if self._request.on_bad_row is not OnBadRow.STOP or not scored.rejected.num_rows:
            return
        bad = scored.rejected.slice(0, 1).to_pylist()[0]
        column = "" if bad["column"] is None else f", column {bad['column']}"
        kind = errors_by_slug()[bad["error"]]
        raise kind(bad["what"], where=f"{self._request.source.shown}, row {bad[ROW]}{column}", fix=_way_out(bad["fix"]))

    def _put_together(self, manifest: Manifest) -> None:
        keys = pa.schema([self.source.schema.field(name) for name in self._request.keys])
        given = self.specification
        answers, rejected = given.tables().schemas(keys, contradicted=given.critic is not None)
        said = {
            "dissonance.task": self._model.task.name,
            "dissonance.model_version": str(self._model.version),
            "dissonance.model_digest": self._model.proposer.digest,
        }
        _write(self._request.out, self._format, answers.with_metadata(said), self._ledger.answers(manifest))
        if self._request.rejected is not None:
            place = self._request.rejected
            _write(place, output_format(place.path), rejected, self._ledger.rejected(manifest))


def content_digest(place: Place) -> str:
    """SHA-256 of a file's content, read once from start to end."""
    digest = hashlib.sha256()
    with place.blobs.stream(place.path) as file, reading(place.shown, "readable"):
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _open_source(task: Task, request: Request) -> tuple[Source, bool]:
    place = request.source
    format_ = input_format(place.path)
    needed = needed_columns(task.schema, request.keys)
    require_columns(format_.names(place.blobs, place.path), needed, request.keys, place.shown)
    source = format_.source(place.blobs, place.path, needed)
    for name in request.keys:
        if pa.types.is_nested(source.schema.field(name).type):
            raise InputError(
                f"'{name}' holds lists or structures", where="--key", fix="choose a column of plain values"
            )
    return source, format_.text_cells


def _check_places(request: Request) -> None:
    """Raises `InputError` when two of the files are one."""
    places = [place for place in (request.source, request.out, request.rejected) if place is not None]
    if len({(type(place.blobs), place.path) for place in places}) < len(places):
        raise InputError("a file is named twice", where=request.out.shown, fix="give each a name of its own")


def _write(place: Place, format_: Format, schema: pa.Schema, tables: Iterator[pa.Table]) -> None:
    with place.blobs.writing(place.path) as file:
        write_tables(format_, file, schema, (table.replace_schema_metadata(schema.metadata) for table in tables))


def _way_out(fix: str) -> str:
    skipping = "score with --on-bad-row skip or report to leave such rows out"
    return f"{fix}; or {skipping}" if fix else skipping
