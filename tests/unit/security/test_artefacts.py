"""A model is loaded whole, or refused with the reason; every way of tampering has a text of its own."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from dissonance.errors import ModelMisfit, ModelRefused
from dissonance.security.artefacts import (
    CLASS_ORDER,
    FEATURE_SCHEMA,
    MAGIC,
    PURPOSE,
    Artefact,
    ArtefactFormat,
    ArtefactKeys,
    Expected,
    Manifest,
    file_digests,
    pack,
    unpack,
)
from dissonance.security.envelope import seal
from dissonance.security.signatures import sign

TASK, SCHEMA, CLASSES = "a" * 32, "b" * 64, (0, "one", True)
SEALING, SIGNING, NONCE = b"\x01" * 32, b"\x02" * 32, b"\x03" * 12
KEYS = ArtefactKeys.from_seed(SEALING, SIGNING)
FILES = {"model.txt": b"tree", "notes.txt": b"none"}


def manifest(**changed: Any) -> Manifest:
    fields: dict[str, Any] = {
        "format": ArtefactFormat.LIGHTGBM_TEXT,
        "task_id": TASK,
        "role": "proposer",
        "classes": CLASSES,
        "schema_digest": SCHEMA,
        "files": file_digests(FILES),
        "libraries": {"lightgbm": "4.7.0"},
        "training_data_digest": "c" * 64,
        "parent": "",
        "created_at_us": 1,
    }
    return Manifest(**{**fields, **changed})


def load(data: bytes, keys: ArtefactKeys = KEYS, **expected: Any) -> Artefact:
    return unpack(data, keys, Expected(TASK, "proposer", SCHEMA, CLASSES)._replace(**expected))


def sealed_by_hand(
    body: bytes,
    files: dict[str, bytes] = FILES,
    *,
    signed: bytes | None = None,
    task: str = TASK,
    digest: str | None = None,
) -> bytes:
    """An artefact of someone who holds the keys but not the rules."""
    digest = digest or hashlib.sha256(body).hexdigest()
    inner = msgspec.msgpack.encode([body, sign(SIGNING, PURPOSE, body if signed is None else signed), files])
    sealed = seal(SEALING, NONCE, inner, f"dissonance-model|{task}|proposer|{digest}".encode())
    return msgspec.msgpack.encode([MAGIC, task, "proposer", digest, sealed])


DATA, DIGEST = pack(manifest(), FILES, KEYS, NONCE)


def test_what_was_packed_is_unpacked() -> None:
    artefact = load(DATA)
    assert artefact.manifest == manifest()
    assert artefact.files == FILES
    assert artefact.digest == DIGEST
    assert len(DIGEST) == 64


def test_the_digest_is_of_the_manifest_alone() -> None:
    assert pack(manifest(), FILES, KEYS, b"\x09" * 12)[1] == DIGEST
    assert pack(manifest(created_at_us=2), FILES, KEYS, NONCE)[1] != DIGEST


def test_models_are_read_without_the_signing_key_but_not_made() -> None:
    reader = ArtefactKeys(sealing=SEALING, verification=KEYS.verification)
    assert load(DATA, reader).digest == DIGEST
    with pytest.raises(ModelRefused, match="no signing key"):
        pack(manifest(), FILES, reader, NONCE)


def test_nothing_of_the_files_is_readable_at_rest_and_no_key_is_shown() -> None:
    assert b"tree" not in DATA
    assert repr(SEALING) not in repr(KEYS)
    assert repr(SIGNING) not in repr(KEYS)


@pytest.mark.parametrize("position", [0, 20, 60, 120, 200, len(DATA) // 2, len(DATA) - 1])
def test_any_changed_byte_is_refused(position: int) -> None:
    changed = bytearray(DATA)
    changed[position] ^= 1
    with pytest.raises(ModelRefused):
        load(bytes(changed))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no artefact"),
        (DATA[:-1], "cut short"),
        (b"tree\nversion=v4", "no artefact"),
        (DATA.replace(MAGIC, b"dissonance-model-9"), "another version"),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), "seal is broken"),
        (sealed_by_hand(msgspec.json.encode(manifest()), signed=b"other"), "signature does not hold"),
        (sealed_by_hand(msgspec.json.encode(manifest()), digest="d" * 64), "digest is not that of its manifest"),
        (sealed_by_hand(b"{}"), "manifest cannot be read"),
        (sealed_by_hand(msgspec.json.encode(manifest(task_id="e" * 32))), "another task or role"),
        (sealed_by_hand(msgspec.json.encode(manifest()), {"model.txt": b"tree"}), "other files"),
        (
            sealed_by_hand(msgspec.json.encode(manifest()), {"model.txt": b"worse", "notes.txt": b"none"}),
            "'model.txt' is not the one that was signed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_way_of_tampering_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(ModelRefused, match=message):
        load(data)


@pytest.mark.parametrize(
    ("expected", "where", "message"),
    [
        ({"task_id": "f" * 32}, "task", "another task"),
        ({"role": "critic"}, "role", "is a proposer, not a critic"),
        ({"schema_digest": "f" * 64}, FEATURE_SCHEMA, "another feature schema"),
        ({"classes": ("one", 0, True)}, CLASS_ORDER, "or their order"),
    ],
)
def test_a_model_of_another_task_role_schema_or_class_order_is_refused(
    expected: dict[str, Any], where: str, message: str
) -> None:
    with pytest.raises(ModelMisfit, match=message) as raised:
        load(DATA, **expected)
    assert raised.value.where == where


def test_a_model_relabelled_for_another_task_does_not_open() -> None:
    outer = msgspec.msgpack.decode(DATA)
    relabelled = msgspec.msgpack.encode([outer[0], "f" * 32, *outer[2:]])
    with pytest.raises(ModelRefused, match="seal is broken"):
        load(relabelled, task_id="f" * 32)


def test_a_model_signed_or_sealed_by_another_system_is_refused() -> None:
    with pytest.raises(ModelRefused, match="signature does not hold"):
        load(DATA, ArtefactKeys.from_seed(SEALING, b"\x07" * 32))
    with pytest.raises(ModelRefused, match="seal is broken"):
        load(DATA, ArtefactKeys.from_seed(b"\x07" * 32, SIGNING))


def test_a_manifest_must_name_exactly_the_files() -> None:
    with pytest.raises(ModelRefused, match="names other files"):
        pack(manifest(), {"model.txt": b"tree"}, KEYS, NONCE)


@pytest.mark.parametrize(("sealing", "signing"), [(b"short", SIGNING), (SEALING, b"short")])
def test_keys_of_the_wrong_length_are_refused(sealing: bytes, signing: bytes) -> None:
    with pytest.raises(ModelRefused, match="wrong length"):
        ArtefactKeys.from_seed(sealing, signing)
