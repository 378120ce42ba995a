"""Canaries through commands: files that are handed in, reasons, people's ids."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dissonance.drills.encryption.given import TASK
from dissonance.drills.encryption.stage import Stage

REFUSED: Final = (1, 2, 3)
REFUSED_OR_DONE: Final = (0, *REFUSED, 7)


async def command_everything(stage: Stage, prediction_id: str) -> None:
    """`prediction_id`: one that may be labelled."""
    await _reasons(stage)
    await _files(stage, prediction_id)
    await _models(stage)
    await _people(stage)


async def _reasons(stage: Stage) -> None:
    canaries = stage.canaries
    await stage.command("policy", "set", TASK, "D_target=0.1", "--reason", canaries.text("policy set: reason"))
    refused = f"{canaries.text('policy set, refused: name')}=1"
    await stage.command("policy", "set", TASK, refused, "--reason", "none", codes=REFUSED)
    reason = ("--reason", canaries.text("token revoke: reason"))
    await stage.command("token", "revoke", "--subject", "nobody", *reason)


async def _files(stage: Stage, prediction_id: str) -> None:
    canaries, given, taken = stage.canaries, stage.given, stage.places.taken
    source = ("--source", canaries.text("labels import: source"))
    await stage.command("labels", "import", TASK, str(given.labels(prediction_id)), *source)
    for ending in ("csv", "parquet"):
        out = ("--out", str(taken / f"scores.{ending}"), "--key", "person", "--key", "amount", "--on-bad-row", "report")
        await stage.command("score", TASK, str(given.scored(ending)), *out, codes=(0, 3))
    rows = str(given.pipeline_rows())
    await stage.command("pipeline", "run", TASK, "--from", rows, codes=REFUSED_OR_DONE)
    await stage.command("pipeline", "run", TASK, "--from", str(given.refused_rows()), codes=REFUSED_OR_DONE)
    address, query = given.database()
    await stage.command("pipeline", "run", TASK, "--plain", "--from", address, "--query", query, codes=REFUSED_OR_DONE)
    password = canaries.text("pipeline run: password")
    away = f"postgresql+psycopg://user:{password}@127.0.0.1:1/none"
    await stage.command("pipeline", "run", TASK, "--from", away, "--query", "SELECT 1", codes=(*REFUSED_OR_DONE, 5))
    reason = ("--reason", canaries.text("task golden: reason"))
    await stage.command("task", "golden", TASK, "--data", str(given.golden()), *reason)


async def _models(stage: Stage) -> None:
    """What the pipeline has begun is ended first."""
    await stage.command("models", "rollback", TASK, codes=(0, *REFUSED))
    await stage.command("models", "retrain", TASK)
    override = ("--override", stage.canaries.text("models promote: override"))
    await stage.command("models", "promote", TASK, *override, codes=(0, 1))
    await stage.command("models", "rollback", TASK, codes=(0, *REFUSED))


async def _people(stage: Stage) -> None:
    """One whom rows are about, one whom none is about."""
    canaries, folder = stage.canaries, stage.places.taken
    person, stranger = canaries.text("run_once: data subject"), canaries.text("subjects show: stranger")
    await stage.command("subjects", "show", person, "--task", TASK)
    await stage.command("subjects", "show", stranger, "--task", TASK, codes=(0, *REFUSED))
    await stage.command("subjects", "export", person, "--task", TASK, "--file", _file(folder, "export"))
    erased = ("--yes", "--certificate", _file(folder, "certificate"))
    await stage.command(
        "subjects", "erase", canaries.text("check: data subject"), "--task", TASK, *erased, codes=(0, 3)
    )
    await stage.command("subjects", "erase", canaries.text("predict: data subject"), "--task", TASK, *erased)


def _file(folder: Path, name: str) -> str:
    return str(folder / f"{name}.json")
