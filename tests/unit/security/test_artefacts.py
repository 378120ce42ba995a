"""A model is loaded whole, or refused with the reason; every way of tampering has a text of its own."""

from __future__ import annotations

import hashlib
import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.errors import (
    ModelDowngraded,
    ModelForeign,
    ModelMisfit,
    ModelRefused,
    ModelTampered,
    ModelUnsigned,
    ModelUnsupported,
)
from dissonance.security.artefacts import (
    CLASS_ORDER,
    FEATURE_SCHEMA,
    MAGIC,
    MAGIC_BEFORE,
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
from dissonance.security.model_signature import model_key, sign_model
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
    signature: bytes | None = None,
    digest: str | None = None,
    magic: bytes = MAGIC,
) -> bytes:
    """An artefact of someone who holds the keys but not the rules."""
    digest = digest or hashlib.sha256(body).hexdigest()
    made = sign_model(KEY, "proposer", {**files, "manifest.json": body})
    inner = msgspec.msgpack.encode([body, made if signature is None else signature, files])
    sealed = seal(SEALING, NONCE, inner, f"dissonance-model|{TASK}|proposer|{digest}".encode())
    return msgspec.msgpack.encode([magic, TASK, "proposer", digest, sealed])


BODY = msgspec.json.encode(manifest())
KEY = model_key(SIGNING)
OTHERS = sign_model(model_key(b"\x07" * 32), "proposer", {**FILES, "manifest.json": BODY})


def made_before(signature: bytes | None = None) -> bytes:
    """An artefact as the release before wrote it: signed with Ed25519, without a version."""
    body = msgspec.json.encode({k: v for k, v in msgspec.to_builtins(manifest()).items() if k != "version"})
    signature = sign(SIGNING, PURPOSE, body) if signature is None else signature
    return sealed_by_hand(body, signature=signature, magic=MAGIC_BEFORE)


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
    reader = ArtefactKeys(sealing=SEALING, verification=KEYS.verification, model_key=KEYS.model_key)
    assert load(DATA, reader).digest == DIGEST
    with pytest.raises(ModelRefused, match="no signing key"):
        pack(manifest(), FILES, reader, NONCE)


def test_nothing_of_the_files_is_readable_at_rest_and_no_key_is_shown() -> None:
    assert b"tree" not in DATA
    assert repr(SEALING) not in repr(KEYS)
    assert repr(SIGNING) not in repr(KEYS)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(position: int, change: int) -> None:
    changed = bytearray(DATA)
    changed[position] ^= change
    with pytest.raises((ModelTampered, ModelUnsupported, ModelMisfit)):
        load(bytes(changed))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", ModelTampered, "no artefact"),
        (DATA[:-1], ModelTampered, "cut short"),
        (b"tree\nversion=v4", ModelTampered, "no artefact"),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), ModelTampered, "seal is broken"),
        (DATA.replace(MAGIC, b"dissonance-model-9"), ModelUnsupported, "another release"),
        (pickle.dumps({"model": 1}), ModelUnsupported, "is a pickle"),
        (sealed_by_hand(BODY, signature=b""), ModelUnsigned, "no signature"),
        (sealed_by_hand(BODY, signature=OTHERS), ModelForeign, "another key"),
        (
            sealed_by_hand(BODY, signature=sign_model(KEY, "proposer", FILES)),
            ModelTampered,
            "other files than were signed",
        ),
        (sealed_by_hand(BODY, digest="d" * 64), ModelTampered, "digest is not that of its manifest"),
        (sealed_by_hand(b"{}"), ModelTampered, "manifest cannot be read"),
        (sealed_by_hand(BODY.replace(b"lightgbm-text", b"pickle")), ModelUnsupported, "format is 'pickle'"),
        (sealed_by_hand(msgspec.json.encode(manifest(task_id="e" * 32))), ModelMisfit, "another task or role"),
        (sealed_by_hand(BODY, {"model.txt": b"tree"}), ModelTampered, "other files than its manifest"),
        (
            sealed_by_hand(BODY, {"model.txt": b"worse", "notes.txt": b"none"}),
            ModelTampered,
            "'model.txt' is not the one that was signed",
        ),
        (sealed_by_hand(BODY, {"model.pkl": pickle.dumps([1])}), ModelUnsupported, "'model.pkl' is a pickle"),
        (made_before(b""), ModelUnsigned, "no signature"),
        (made_before(bytes(64)), ModelForeign, "signature does not hold"),
        (made_before().replace(MAGIC_BEFORE, MAGIC), ModelTampered, "signature cannot be read"),
    ],
)
def test_each_way_of_tampering_is_refused_by_an_error_of_its_own(
    data: bytes, error: type[ModelRefused], message: str
) -> None:
    with pytest.raises(ModelRefused, match=message) as raised:
        load(data)
    assert type(raised.value) is error
    assert raised.value.fix


def test_an_older_version_in_the_place_of_a_newer_one_is_refused() -> None:
    data, _ = pack(manifest(version=3), FILES, KEYS, NONCE)
    assert load(data, version=3).manifest.version == 3
    with pytest.raises(ModelDowngraded, match="is version 3, put in the place of 7"):
        load(data, version=7)


def test_an_artefact_of_the_release_before_is_still_read() -> None:
    artefact = load(made_before(), version=1)
    assert artefact.files == FILES
    assert (artefact.manifest.version, artefact.signature) == (None, b"")


def test_a_pickle_is_not_packed() -> None:
    files = {"model.pkl": pickle.dumps([1, 2, 3])}
    with pytest.raises(ModelUnsupported, match="runs code"):
        pack(manifest(files=file_digests(files)), files, KEYS, NONCE)


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
    with pytest.raises(ModelForeign, match="another key"):
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
