"""A file is scored on the real system by the command itself, which is killed half-way and run again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pandas
import pyarrow.parquet
import pytest

from dissonance.drills import census
from dissonance.drills.system import RunningSystem
from dissonance.errors import UnseenCategory
from dissonance.pipeline.scoring.ledger import MANIFEST, Manifest

TRAINING_ROWS = 2_000
ROWS = 140_000
PARTS = 3


@pytest.mark.timeout(600)
def test_a_file_is_scored_and_after_a_kill_it_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    asyncio.run(story(tmp_path))


async def story(folder: Path) -> None:
    records, _ = census.traffic(10_000)
    once = pandas.DataFrame(records)
    rows = folder / "rows.parquet"
    pandas.concat([once] * (ROWS // len(once)), ignore_index=True).to_parquet(rows)
    async with RunningSystem(folder / "data", folder / "logs") as running:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        asked = ("score", census.TASK, str(rows), "--key", census.PERSON, "--out")
        whole, cut = folder / "whole.parquet", folder / "cut.parquet"
        answer = await running.command(*asked, str(whole))
        assert (answer["rows"], answer["scored"], answer["resumed"]) == (ROWS, ROWS, 0)
        done = kill_half_way([*asked, str(cut)], folder, cut)
        answer = await running.command(*asked, str(cut))
        assert (answer["scored"], answer["resumed"]) == (ROWS, done)
        assert cut.read_bytes() == whole.read_bytes()
        found = pyarrow.parquet.read_table(cut, columns=["row", census.PERSON, "class"])
        assert found["row"].to_pylist() == list(range(ROWS))
        assert found[census.PERSON].to_pylist()[: len(once)] == list(once[census.PERSON])
        shown = await running.command("task", "show", census.TASK)
        assert (shown["admitted"], shown["blocked"]) == (0, 0)
        await refuse(running, once, folder)


def kill_half_way(arguments: list[str], folder: Path, out: Path) -> int:
    """SIGKILL once a part is done; rows that are done."""
    environment = {**os.environ, "DISSONANCE_DATA": str(folder / "data")}
    manifest = Path(f"{out}.parts") / MANIFEST
    process = subprocess.Popen([sys.executable, "-m", "dissonance", *arguments, "--jobs", "1"], env=environment)
    while process.poll() is None and (not manifest.exists() or not read(manifest).parts):
        time.sleep(0.01)
    process.kill()
    assert process.wait() < 0, "it was done before it was killed"
    assert not out.exists()
    assert len(read(manifest).parts) < PARTS
    return read(manifest).read


def read(manifest: Path) -> Manifest:
    return msgspec.json.decode(manifest.read_bytes(), type=Manifest)


async def refuse(running: RunningSystem, once: pandas.DataFrame, folder: Path) -> None:
    odd = once.head(100).assign(MAR=[*once["MAR"].head(99), 77])
    odd.to_csv(folder / "odd.csv", index=False)
    with pytest.raises(UnseenCategory) as raised:
        await running.command("score", census.TASK, str(folder / "odd.csv"), "--out", str(folder / "odd.parquet"))
    assert raised.value.where == f"{folder / 'odd.csv'}, row 99, column MAR"
