"""Documents that somebody wrote (settings, key sets, policies, labels, records) and nested without end are refused as
any other that cannot be read: no reader ends with its own stack (CWE-674)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from dissonance.cli.policy_file import read_policy_file
from dissonance.contracts.accesses import read_batch
from dissonance.contracts.policy import Policy
from dissonance.errors import ConfigurationError, InvalidDataFile, ModelRefused, ModelTampered, PolicyInvalid
from dissonance.pipeline.label_file import read_label_file
from dissonance.security.artefacts import (
    ArtefactFormat,
    ArtefactKeys,
    Expected,
    Manifest,
    file_digests,
    pack,
    unpack,
)
from dissonance.security.grants import parse_grants
from dissonance.security.issuers import read_issuers
from dissonance.security.signers import signers_of

DEEP = "[" * 100_000
JSON = f'{{"x": {DEEP}'.encode()
TOML = f"x = {DEEP}"


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("read", "refusal"),
    [
        (lambda folder: parse_grants(TOML, "grants.toml"), ConfigurationError),
        (lambda folder: read_issuers(TOML.encode()), ConfigurationError),
        (lambda folder: signers_of(JSON, ["ES256"]), ValueError),
        (lambda folder: read_policy_file(written(folder, "p.toml", TOML.encode()), Policy), PolicyInvalid),
        (lambda folder: read_policy_file(written(folder, "p.json", JSON), dict), PolicyInvalid),
        (lambda folder: read_label_file(written(folder, "labels.jsonl", JSON)), InvalidDataFile),
    ],
    ids=["grants", "issuers", "key-set", "policy-toml", "policy-json", "labels"],
)
def test_a_document_nested_without_end_is_one_that_cannot_be_read(
    tmp_path: Path, read: Callable[[Path], object], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        read(tmp_path)


def test_evidence_nested_without_end_is_no_evidence() -> None:
    assert read_batch(JSON) is None


KEYS = ArtefactKeys.from_seed(b"\x01" * 32, b"\x02" * 32)
EXPECTED = Expected("a" * 32, "proposer", "b" * 64, ("no", "yes"))


def manifest(files: dict[str, bytes]) -> Manifest:
    return Manifest(
        format=ArtefactFormat.LIGHTGBM_TEXT,
        task_id=EXPECTED.task_id,
        role=EXPECTED.role,
        classes=EXPECTED.classes,
        schema_digest=EXPECTED.schema_digest,
        files=file_digests(files),
        libraries={},
        training_data_digest="",
        parent="",
        created_at_us=1,
    )


@pytest.mark.parametrize("name", ["../../.ssh/authorized_keys", "/etc/passwd", "..", "a/b", "a\\b", "a\0b", "", "a\n"])
def test_a_file_of_a_model_whose_name_leads_elsewhere_is_refused(
    name: str,
) -> None:
    files = {name: b"tree"}
    with pytest.raises(ModelRefused, match="lead elsewhere"):
        pack(manifest(files), files, KEYS, b"\x03" * 12)


def test_an_artefact_of_nothing_but_nested_lists_is_none() -> None:
    for data in (b"\x91" * 100_000, b"\x96" + b"\x91" * 100_000, msgspec.msgpack.encode({"a": 1})):
        with pytest.raises(ModelTampered):
            unpack(data, KEYS, EXPECTED)
