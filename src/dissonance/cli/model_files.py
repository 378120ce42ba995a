"""`dissonance models register` and `export`: models from files of others, and as files for others."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape

from dissonance.cli.connected import on_system, stages
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import emit
from dissonance.contracts.counts import counted

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.adopting import Adopted
    from dissonance.pipeline.exporting import Exported


class ExportedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `export --json` prints; `files` are paths below `folder`."""

    task: str
    version: int
    critic_version: int
    model_digest: str
    folder: str
    files: list[str]


class RegisteredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `register --json` prints; the golden accuracy with its 95 % interval. Whether the model was trained on
    golden rows, nobody here can know."""

    task: str
    version: int
    critic_version: int
    model_digest: str
    format: str
    incumbent_version: int
    critic_rows: int
    golden_rows: int
    golden_accuracy: float
    golden_accuracy_low: float
    golden_accuracy_high: float


class Critic(StrEnum):
    """Where the critic of a registered model comes from."""

    FIT = "fit"


def register(
    task: TaskName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="LightGBM text (.txt), .onnx or .skops; no pickle.")],
    critic: Annotated[Critic, typer.Option(help="Fit one on the critic's reference rows.")] = Critic.FIT,
    seed: Annotated[int, typer.Option(help="Seed of the critic's fit.")] = 0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Register a model that was made elsewhere, with a critic fitted for it, as a candidate; the gate judges it when it
    is promoted."""
    from dissonance.pipeline.adopting import register_file

    with stages(f"registering {file.name}", quiet=as_json) as follow:

        async def work(system: System) -> Adopted:
            return await register_file(system, task, file, seed=seed, progress=follow)

        answer = registered_answer(on_system(data, work))
    emit(answer, as_json, escape(registered_text(answer)))


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


def registered_answer(adopted: Adopted) -> RegisteredAnswer:
    golden = adopted.golden
    return RegisteredAnswer(
        task=adopted.task.name,
        version=adopted.models.proposer.version,
        critic_version=adopted.models.critic.version,
        model_digest=adopted.models.proposer.digest,
        format=adopted.format,
        incumbent_version=adopted.incumbent_version,
        critic_rows=adopted.critic_rows,
        golden_rows=golden.rows,
        golden_accuracy=golden.accuracy,
        golden_accuracy_low=golden.interval.low,
        golden_accuracy_high=golden.interval.high,
    )


def registered_text(answer: RegisteredAnswer) -> str:
    return (
        f"Candidate {answer.version} of {answer.task} ({answer.format}), critic {answer.critic_version} fitted on "
        f"{counted(answer.critic_rows, 'row')}\nAccuracy on {counted(answer.golden_rows, 'golden row')}: "
        f"{answer.golden_accuracy:.4f} ({answer.golden_accuracy_low:.4f} to {answer.golden_accuracy_high:.4f}); "
        f"in production: version {answer.incumbent_version}\n"
        f"Next: dissonance models promote {answer.task} --version {answer.version}"
    )


def exported_text(answer: ExportedAnswer) -> str:
    """What was written, and how others verify it."""
    return "\n".join(
        (
            f"Version {answer.version} of {answer.task} and its critic {answer.critic_version}: "
            f"{counted(len(answer.files), 'file')} in {answer.folder}",
            "Verify it without this system:",
            f"  model_signing verify key {answer.folder}/model --signature {answer.folder}/model.sig "
            f"--public_key {answer.folder}/public-key.pem",
        )
    )
