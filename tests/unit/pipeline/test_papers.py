"""What goes with a model: a bill of materials that follows its standard, a card for people, pictures, no row."""

from __future__ import annotations

import asyncio
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Task, schema_digest
from dissonance.decisions.pairs import LoadedPair, find_version, load_pair
from dissonance.pipeline.exporting import export_model
from dissonance.pipeline.model_card import CARD_FILE, model_card
from dissonance.pipeline.registration import BOM_FILE
from dissonance.ports.registry import ModelRole
from dissonance.security.artefacts import ArtefactFormat, Manifest
from support.json_schema import Schemas
from support.workshop import Workshop, updated_task

RESOURCES = files("cyclonedx.schema._res")
BOM_SCHEMA = "bom-1.6.SNAPSHOT.schema.json"


@pytest.fixture(scope="module")
def made() -> tuple[Workshop, Task]:
    return updated_task()


def opened(made: tuple[Workshop, Task], version: int) -> LoadedPair:
    work, task = made
    return load_pair(work.registry, work.artefact_keys, task, find_version(work.registry, task, version))


def schemas() -> Schemas:
    names = {BOM_SCHEMA: BOM_SCHEMA} | {
        f"{name}.schema.json": f"{name}.SNAPSHOT.schema.json" for name in ("spdx", "jsf-0.82", "cryptography-defs")
    }
    read = {name: json.loads(RESOURCES.joinpath(file).read_text()) for name, file in names.items()}
    return Schemas(read)


def faults(bom: Any) -> list[str]:
    return schemas().faults(bom, {"$ref": BOM_SCHEMA}, BOM_SCHEMA)


@pytest.mark.parametrize("version", [1, 2])
def test_bill_of_proposer_and_critic_follows_the_standard(made: tuple[Workshop, Task], version: int) -> None:
    pair = opened(made, version)
    for artefact in (pair.artefact, pair.critic_artefact):
        bom = json.loads(artefact.files[BOM_FILE])
        assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
        assert faults(bom) == []


def test_a_bill_with_a_word_that_the_standard_does_not_have_is_noticed(made: tuple[Workshop, Task]) -> None:
    bom = json.loads(opened(made, 1).artefact.files[BOM_FILE])
    bom["metadata"]["component"]["modelCard"]["accuracy"] = "good"
    bom["metadata"]["component"]["type"] = "model"
    assert len(faults(bom)) == 2


def test_bill_names_files_training_data_libraries_parameters_and_metrics(made: tuple[Workshop, Task]) -> None:
    pair = opened(made, 2)
    manifest, bom = pair.artefact.manifest, json.loads(pair.artefact.files[BOM_FILE])
    model = bom["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "small.proposer", "2")
    named = {each["name"]: each["hashes"][0]["content"] for each in model["components"]}
    assert named == {name: digest for name, digest in manifest.files.items() if name not in (BOM_FILE, CARD_FILE)}
    by_type = {each["type"]: each for each in bom["components"]}
    assert by_type["data"]["hashes"] == [{"alg": "SHA-256", "content": manifest.training_data_digest}]
    assert {each["name"] for each in bom["components"] if each["type"] == "library"} == set(manifest.libraries)
    assert {"name": "dissonance:model", "value": "LightGBM"} in model["properties"]
    scores = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    told = {each["type"]: float(each["value"]) for each in scores if "slice" not in each}
    assert told == pytest.approx(pair.version.metrics)


def test_card_says_how_good_the_model_is_where_and_what_it_is_limited_by(made: tuple[Workshop, Task]) -> None:
    pair = opened(made, 1)
    card = pair.artefact.files[CARD_FILE].decode()
    assert card.startswith("# small, version 1\n")
    assert f"{pair.version.metrics['golden_accuracy']:.4f}" in card
    assert re.search(r"\| first = .* \| \d+ \| 0\.\d{4} \| 0\.\d{4} to [01]\.\d{4} \|", card)
    assert "| golden_drop_max | 0.015 |" in card
    assert "fairness is not judged" in card
    confusion = re.findall(r"^\| (?:no|yes) \| (\d+) \| (\d+) \|$", card, re.MULTILINE)
    assert sum(int(count) for row in confusion for count in row) == int(pair.version.metrics["golden_rows"])


def test_a_name_from_a_file_of_somebody_is_text_on_the_card_and_nothing_else() -> None:
    evil = "<img src=x onerror=alert(1)>\n| [x](javascript:alert(1)) `code` **bold**"
    schema = FeatureSchema((Feature(evil, FeatureKind.NUMBER),))
    task = Task("a" * 32, "small", schema, (evil, "no"), evil, 0, "0" * 64)
    manifest = Manifest(
        format=ArtefactFormat.ONNX,
        task_id=task.task_id,
        role="proposer",
        classes=task.classes,
        schema_digest=schema_digest(schema),
        files={},
        libraries={},
        training_data_digest="",
        parent="",
        created_at_us=0,
        version=1,
    )
    card = model_card(task, manifest, {}, {"made by": evil}).decode()
    bare = re.sub(r"\\[\\`*_\[\]<>|&~]", "", card)
    assert not set("<>[]`*") & set(bare)
    assert card.count(r"\<img src=x onerror=alert(1)\> \| \[x\](javascript:alert(1)) \`code\`") == 4


def test_papers_and_pictures_lie_in_the_registry_in_plain_and_name_nobody(made: tuple[Workshop, Task]) -> None:
    work, task = made
    kept = work.registry._models[task.task_id, ModelRole.PROPOSER].documents[0]
    assert set(kept) == {BOM_FILE, CARD_FILE, "reliability.png", "confusion.png"}
    assert all(kept[name].startswith(b"\x89PNG") for name in ("reliability.png", "confusion.png"))
    assert not any(b"person-" in content for content in kept.values())


def test_what_the_registry_keeps_in_plain_names_neither_classes_nor_categories(made: tuple[Workshop, Task]) -> None:
    work, task = made
    kept = work.registry._models[task.task_id, ModelRole.PROPOSER].documents[0]
    card, bill = kept[CARD_FILE].decode(), kept[BOM_FILE].decode()
    assert "(class 1, class 2)" in card and re.search(r"\| (first|second|kind) = part \d \|", card)
    slices = [each["slice"] for each in _scores(json.loads(bill)) if "slice" in each]
    assert slices and all(re.fullmatch(r"(first|second|kind) = part \d, \d+ rows", each) for each in slices)
    assert not re.search(r"\| (no|yes) \||answered (no|yes)", card) and "= yes" not in bill


def _scores(bill: dict[str, Any]) -> list[dict[str, Any]]:
    scores: list[dict[str, Any]] = bill["metadata"]["component"]["modelCard"]["quantitativeAnalysis"][
        "performanceMetrics"
    ]
    return scores


def test_papers_are_exported_with_the_model(made: tuple[Workshop, Task], tmp_path: Path) -> None:
    exported = asyncio.run(export_model(made[0], "small", 2, tmp_path / "out"))
    assert {f"model/{BOM_FILE}", f"model/{CARD_FILE}", f"critic/{BOM_FILE}"} <= set(exported.files)
