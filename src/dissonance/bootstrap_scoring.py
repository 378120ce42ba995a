"""Where files of a scoring are, and whose hands score them: as `bootstrap`, it chooses between adapters."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from dissonance.adapters.files.local import LocalFiles
from dissonance.adapters.s3.files import S3Address, S3Files
from dissonance.decisions.scoring import Scorer
from dissonance.errors import ConfigurationError, InputError
from dissonance.pipeline.scoring.run import MakeCrew, Place
from dissonance.pipeline.scoring.threads import ThreadCrew


def open_place(shown: str, s3: S3Address) -> Place:
    """A file of this machine, or `s3://bucket/key`. Raises `InputError` when it is neither."""
    scheme, found, rest = shown.partition("://")
    if not found:
        return Place(LocalFiles(), str(Path(shown).expanduser().resolve()), shown)
    if scheme != "s3" or not all(rest.partition("/")):
        raise InputError("this is no address of a file", where=shown, fix="give a path, or s3://bucket/key")
    return Place(S3Files.at(s3), rest, shown)


def crew_maker(cluster: str | None, jobs: int) -> MakeCrew:
    """Threads of this process, or the workers of the Dask cluster whose scheduler is at `cluster`.

    Raises `ConfigurationError` when what a cluster needs is not installed.
    """
    if cluster is None:
        return lambda specification: ThreadCrew(Scorer(specification).score, jobs)
    if find_spec("distributed") is None:
        raise ConfigurationError(
            "distributed is not installed", where="--cluster", fix="pip install 'dissonance[system,cluster]'"
        )
    from dissonance.adapters.dask.crew import DaskCrew  # an extra of its own

    address = cluster
    return lambda specification: DaskCrew(address, specification)
