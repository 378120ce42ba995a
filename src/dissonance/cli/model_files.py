"""`dissonance models export`: models as files of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape

from dissonance.cli.connected import on_system
from dissonance.cli.output import emit

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.exporting import Exported

TaskName = Annotated[str, typer.Argument(metavar="TASK", help="The task's name.")]
Data = Annotated[str | None, typer.Option(help="The data folder. Default: $DISSONANCE_DATA.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class ExportedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `export --json` prints; `files` are paths below `folder`."""

    task: str
    version: int
    critic_version: int
    model_digest: str
    folder: str
    files: list[str]


def export(
    task: TaskName,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The proposer's version.")],
    out: Annotated[Path, typer.Option(help="A folder that is not there yet.", metavar="FOLDER")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write a version and its critic as plain files, with signatures in the OpenSSF format and the public key. They are
    not sealed any more."""
    from dissonance.pipeline.exporting import export_model

    async def work(system: System) -> Exported:
        return await export_model(system, task, version, out)

    done = on_system(data, work)
    answer = ExportedAnswer(
        task=task,
        version=done.version,
        critic_version=done.critic_version,
        model_digest=done.model_digest,
        folder=str(done.folder),
        files=done.files,
    )
    emit(answer, as_json, escape(exported_text(answer)))


def exported_text(answer: ExportedAnswer) -> str:
    """What was written, and how others verify it."""
    return "\n".join(
        (
            f"Version {answer.version} of {answer.task} and its critic {answer.critic_version}: "
            f"{len(answer.files)} files in {answer.folder}",
            "Verify it without this system:",
            f"  model_signing verify key {answer.folder}/model --signature {answer.folder}/model.sig "
            f"--public_key {answer.folder}/public-key.pem",
        )
    )
