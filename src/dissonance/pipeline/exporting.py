"""A registered pair as plain files that others can verify without this system."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dissonance.decisions.pairs import LoadedPair
from dissonance.errors import InputError, StorageError
from dissonance.pipeline.aliases import open_version
from dissonance.pipeline.workshop import Workshop
from dissonance.security.artefacts import MANIFEST_FILE, Artefact, ArtefactKeys, signature_of

PUBLIC_KEY = "public-key.pem"
PARTS = ("model", "critic")
"""Folders of the proposer's and the critic's files; the signature of each lies beside it."""


class Exported(NamedTuple):
    """`files`: paths below `folder`, of all that was written."""

    folder: Path
    version: int
    critic_version: int
    model_digest: str
    files: list[str]


async def export_model(workshop: Workshop, name: str, version: int, folder: Path) -> Exported:
    """Write proposer and critic of a version, verified and opened, their signatures and the public key to a new folder.

    What was signed in the form of an earlier release, and holds, is signed anew. Leaf values and categories tell of
    people: the files are not sealed any more. Raises `UnknownTask`, `ModelNotFound`, `ModelRefused`,
    `EngineUnavailable`, `InputError` when something is at this place already, or `StorageError` when it cannot be
    written; nothing is left then.
    """
    task = await workshop.store.by_name(name)
    pair = await open_version(workshop, task, version)
    written = await asyncio.to_thread(_write, folder, pair, workshop.artefact_keys)
    return Exported(folder, pair.version.version, pair.critic_version.version, pair.version.digest, written)


def signature_name(part: str) -> str:
    """
    >>> signature_name("model")
    'model.sig'
    """
    return f"{part}.sig"


def _write(folder: Path, pair: LoadedPair, keys: ArtefactKeys) -> list[str]:
    beside = folder.with_name(f".{folder.name}.part")
    try:
        if folder.exists():
            raise InputError(
                "there is something at this place already", where=str(folder), fix="name a folder that is not there"
            )
        shutil.rmtree(beside, ignore_errors=True)  # of an export that was cut short
        beside.mkdir(mode=0o700, parents=True)  # before anything is in it
        for part, artefact in zip(PARTS, (pair.artefact, pair.critic_artefact), strict=True):
            (beside / part).mkdir()
            for path, content in _files(part, artefact, keys).items():
                (beside / path).write_bytes(content)  # nosemgrep: written-for-everybody-to-read
        (beside / PUBLIC_KEY).write_bytes(keys.model_key)  # nosemgrep: written-for-everybody-to-read
        written = sorted(str(each.relative_to(beside)) for each in beside.rglob("*") if each.is_file())
        beside.rename(folder)
    except OSError as error:
        raise StorageError(
            f"the model could not be written: {error.strerror or error}", where=str(folder), fix="name another folder"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return written


def _files(part: str, artefact: Artefact, keys: ArtefactKeys) -> Mapping[str, bytes]:
    signature = artefact.signature or signature_of(part, artefact.manifest_json, artefact.files, keys)
    content = {**artefact.files, MANIFEST_FILE: artefact.manifest_json}
    return {f"{part}/{name}": data for name, data in content.items()} | {signature_name(part): signature}
