"""What a model is made of, as a machine-readable bill: CycloneDX 1.6, component machine-learning-model (ML-BOM)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from dissonance.contracts.schema import Task
from dissonance.pipeline.describing import Description
from dissonance.security.artefacts import ArtefactFormat, Manifest

TRAINING_DATA = "training-data"

FAMILIES = {
    ArtefactFormat.LIGHTGBM_TEXT: "gradient-boosted trees",
    ArtefactFormat.SKOPS: "scikit-learn classifier",
    ArtefactFormat.ONNX: "ONNX graph",
    ArtefactFormat.CRITIC_JSON: "logistic model on log-odds and inputs",
}


def bill_of_materials(
    task: Task,
    manifest: Manifest,
    metrics: Mapping[str, float],
    parameters: Mapping[str, str],
    described: Description | None = None,
) -> bytes:
    """JSON. `manifest` names the model's files, version, libraries and training data. The same model has the same bill:
    its serial number comes from its files, its time from the manifest."""
    model = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=f"{task.name}.{manifest.role}",
        version=str(manifest.version),
        bom_ref="model",
        description=f"{manifest.role} of the task {task.name}",
        properties=[Property(name=f"dissonance:{name}", value=value) for name, value in sorted(parameters.items())],
        components=[_file(name, digest) for name, digest in manifest.files.items()],
    )
    libraries = [_library(name, version) for name, version in manifest.libraries.items()]
    data = _training_data(manifest.training_data_digest)
    bom = Bom(
        metadata=BomMetaData(component=model, timestamp=datetime.fromtimestamp(manifest.created_at_us / 1e6, UTC)),
        components=[*libraries, data],
        dependencies=[
            Dependency(model.bom_ref, [Dependency(each.bom_ref) for each in (*libraries, data)]),
        ],
        serial_number=_serial(manifest),
    )
    written: dict[str, Any] = msgspec.json.decode(JsonV1Dot6(bom).output_as_string())
    # The library has no words for a model card yet.
    written["metadata"]["component"]["modelCard"] = _model_card(task, manifest, metrics, described)
    return msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n"


def _model_card(
    task: Task, manifest: Manifest, metrics: Mapping[str, float], described: Description | None
) -> dict[str, Any]:
    scores = [_score(name, value) for name, value in sorted(metrics.items())]
    if described is not None:
        scores += [
            _score("golden_accuracy", each.accuracy.estimate)
            | {
                "slice": f"{each.feature} = {each.value}, {each.rows} rows",
                "confidenceInterval": {"lowerBound": str(each.accuracy.low), "upperBound": str(each.accuracy.high)},
            }
            for each in described.slices
        ]
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "classification" if manifest.role == "proposer" else "probability that an answer is right",
            "architectureFamily": FAMILIES[manifest.format],
            "datasets": [{"ref": TRAINING_DATA}],
            "inputs": [{"format": f"{name}: {kind}"} for name, kind in _columns(task)],
            "outputs": [{"format": f"probability of {task.target} = {each}"} for each in task.classes],
        },
        "quantitativeAnalysis": {"performanceMetrics": scores},
    }


def _columns(task: Task) -> Iterable[tuple[str, str]]:
    return ((each.name, each.kind.value) for each in task.schema.features)


def _score(name: str, value: float) -> dict[str, Any]:
    return {"type": name, "value": repr(value)}


def _file(name: str, digest: str) -> Component:
    return Component(type=ComponentType.FILE, name=name, bom_ref=f"file:{name}", hashes=[_sha256(digest)])


def _library(name: str, version: str) -> Component:
    purl = PackageURL("generic" if name == "python" else "pypi", name=name, version=version)
    return Component(type=ComponentType.LIBRARY, name=name, version=version, bom_ref=str(purl), purl=purl)


def _training_data(digest: str) -> Component:
    known = [_sha256(digest)] if digest else []
    said = "features and classes of the training rows" if digest else "not known here: the model was made elsewhere"
    return Component(
        type=ComponentType.DATA, name="training data", bom_ref=TRAINING_DATA, hashes=known, description=said
    )


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _serial(manifest: Manifest) -> UUID:
    named = msgspec.json.encode((manifest.task_id, manifest.role, manifest.version, sorted(manifest.files.items())))
    return UUID(bytes=hashlib.sha256(named).digest()[:16], version=4)
