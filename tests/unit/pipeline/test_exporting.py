"""A model outside of this system: whoever has the public key verifies it with the OpenSSF's own command."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from dissonance.errors import InputError, ModelNotFound
from dissonance.pipeline.exporting import PARTS, PUBLIC_KEY, export_model, signature_name
from dissonance.science.proposer import LightGBMProposer
from support.workshop import small_task


def verified(folder: Path, part: str) -> int:
    """What `model_signing verify key` ends with."""
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder / part)]
    options = ["--signature", str(folder / signature_name(part)), "--public_key", str(folder / PUBLIC_KEY)]
    return subprocess.run([*command, *options], check=False, capture_output=True).returncode


def test_an_exported_pair_is_verified_by_others_until_a_byte_of_it_changes(tmp_path: Path) -> None:
    work, task = small_task()
    exported = asyncio.run(export_model(work, task.name, 1, tmp_path / "out"))
    assert {"model/manifest.json", "model/model.txt", "model.sig", "critic/critic.json", PUBLIC_KEY} <= set(
        exported.files
    )
    assert [verified(exported.folder, part) for part in PARTS] == [0, 0]
    text = (exported.folder / "model" / "model.txt").read_text()
    assert LightGBMProposer.from_text(text, 2).classes_count == 2
    (exported.folder / "model" / "model.txt").write_text(text.replace("tree", "tre3", 1))
    assert verified(exported.folder, "model") != 0


def test_nothing_is_written_over_and_an_unknown_version_writes_nothing(tmp_path: Path) -> None:
    work = small_task().work
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="something at this place"):
        asyncio.run(export_model(work, "small", 1, tmp_path / "out"))
    with pytest.raises(ModelNotFound):
        asyncio.run(export_model(work, "small", 9, tmp_path / "new"))
    assert {each.name for each in tmp_path.iterdir()} == {"out"}
