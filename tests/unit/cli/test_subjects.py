"""What the commands on data subjects print and write."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from dissonance.cli.subjects import EraseAnswer, ShowAnswer, SignedCertificate, tell_erased, tell_found, write_json
from dissonance.contracts.erasure import Certificate, LearntFrom, LearntModel, Remains, RowCounts
from dissonance.errors import InputError
from support.printing import printed

COUNTS = RowCounts(experience=3, labels=2, label_requests=1, reference={"train": 4})
MODEL = LearntModel(role="proposer", version=2, digest="d" * 64, learnt_from=LearntFrom.REFERENCE, in_production=True)
CERTIFICATE = Certificate(
    task_id="a" * 32,
    task="loans",
    data_subject="b" * 32,
    erased_at_us=0,
    by="an operator",
    release="1",
    rows=COUNTS,
    snapshots={"c" * 64: 5},
    models=(MODEL,),
    windows=("w1", "w2"),
    erased=("the key",),
    remains=(Remains("the models", "they hold no row"),),
)
SIGNED = SignedCertificate(certificate_id="e" * 64, certificate=CERTIFICATE, signature="00", public_key="11")


def test_show_tells_rows_models_windows_and_that_nothing_was_erased() -> None:
    answer = ShowAnswer(
        task="loans",
        data_subject="b" * 32,
        rows=COUNTS,
        snapshots={"c" * 64: 5},
        models=[MODEL],
        windows=["w1"],
        certificate=None,
    )
    said = printed(lambda console: tell_found(console, answer))
    for part in (
        "3 inputs, 2 labels, 1 label request\n",
        "part train",
        "proposer version 2 (reference), in production",
    ):
        assert part in said
    assert "1 window holds them: w1" in said and "not erased" in said


def test_erase_tells_what_was_erased_what_remains_and_why() -> None:
    answer = EraseAnswer(certificate=SIGNED, retrain="f" * 32)
    said = printed(lambda console: tell_erased(console, answer))
    for part in ("erased: the key", "remains: the models; they hold no row", "asked for: " + "f" * 32, "e" * 64):
        assert part in said


def test_certificate_is_written_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "certificate.json"
    write_json(SIGNED, file)
    assert msgspec.json.decode(file.read_bytes(), type=SignedCertificate) == SIGNED
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="cannot be written"):
        write_json(SIGNED, tmp_path)
