"""The signature of a model is one that the OpenSSF's own library accepts, and the other way round."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dissonance.errors import ModelForeign, ModelTampered, ModelUnsigned
from dissonance.security.model_signature import check_model, model_key, public_pem, sign_model

FILES = {"manifest.json": b"{}", "model.txt": b"tree", "bom.json": b"[]"}
KEY = model_key(b"\x01" * 32)
PUBLIC = public_pem(KEY)
BUNDLE = sign_model(KEY, "model", FILES)


def changed(**parts: Any) -> bytes:
    """The bundle with other parts of its envelope."""
    bundle = json.loads(BUNDLE)
    bundle["dsseEnvelope"].update(parts)
    return json.dumps(bundle).encode()


def test_what_was_signed_holds_and_is_signed_alike_again() -> None:
    check_model(PUBLIC, BUNDLE, FILES)
    assert sign_model(KEY, "model", FILES) == BUNDLE


def test_the_same_seed_gives_the_same_key_and_another_another() -> None:
    assert public_pem(model_key(b"\x01" * 32)) == PUBLIC
    assert public_pem(model_key(b"\x02" * 32)) != PUBLIC


@pytest.mark.parametrize(
    ("bundle", "files", "error"),
    [
        (b"", FILES, ModelUnsigned),
        (changed(signatures=[]), FILES, ModelUnsigned),
        (sign_model(model_key(b"\x02" * 32), "model", FILES), FILES, ModelForeign),
        (b"{", FILES, ModelTampered),
        (changed(signatures=[{"sig": "no base64"}]), FILES, ModelTampered),
        (changed(signatures=[{"sig": base64.b64encode(bytes(70)).decode()}]), FILES, ModelTampered),
        (changed(payload=base64.b64encode(b"{}").decode()), FILES, ModelTampered),
        (BUNDLE, FILES | {"model.txt": b"worse"}, ModelTampered),
        (BUNDLE, FILES | {"more.txt": b""}, ModelTampered),
        (BUNDLE, {"model.txt": b"tree"}, ModelTampered),
    ],
)
def test_a_signature_that_does_not_hold_is_refused(bundle: bytes, files: dict[str, bytes], error: type) -> None:
    with pytest.raises(error):
        check_model(PUBLIC, bundle, files)


def test_what_the_library_of_the_openssf_signs_holds_here_too(tmp_path: Path) -> None:
    import model_signing

    (tmp_path / "model").mkdir()
    for name, content in FILES.items():
        (tmp_path / "model" / name).write_bytes(content)
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    signer = model_signing.signing.Config().use_elliptic_key_signer(private_key=tmp_path / "key.pem")
    signer.sign(tmp_path / "model", tmp_path / "model.sig")
    check_model(PUBLIC, (tmp_path / "model.sig").read_bytes(), FILES)
