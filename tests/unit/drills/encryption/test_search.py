from __future__ import annotations

import base64
import gzip
import json
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.drills.encryption.canaries import Canaries, Form, patterns_of
from dissonance.drills.encryption.finding import Finds
from dissonance.drills.encryption.search import Searcher
from dissonance.errors import InputError

BLOCK = 2_048
NOISE = np.random.default_rng(3).bytes(3 * BLOCK)


def canaries_of_each_kind() -> Canaries:
    canaries = Canaries(SeededRandomness(5))
    canaries.text("text")
    canaries.number("number")
    return canaries


FORMS = canaries_of_each_kind().forms()
EVERY_FORM = Searcher(each.pattern for each in FORMS)
ONE = Searcher([canaries_of_each_kind().raw("text")])


def found_in(searcher: Searcher, content: bytes) -> Counter[bytes]:
    stream = searcher.stream()
    return Counter(
        pattern for start in range(0, len(content), BLOCK) for pattern in stream.feed(content[start : start + BLOCK])
    )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.channel} {form.form}")
def test_canary_across_the_border_of_blocks_is_found_once_in_each_form(form: Form) -> None:
    half = len(form.pattern) // 2

    assert found_in(EVERY_FORM, NOISE[: BLOCK - half] + form.pattern + NOISE)[form.pattern] == 1


@given(st.lists(st.integers(1, 40)), st.integers(0, 100))
def test_canary_is_found_however_the_stream_is_cut(cuts: list[int], start: int) -> None:
    canaries = canaries_of_each_kind()
    pattern = canaries.raw("text")
    content = NOISE[:start] + pattern + NOISE[:50] + pattern
    stream, found, place = ONE.stream(), 0, 0
    for cut in [*cuts, len(content)]:
        found += len(stream.feed(content[place : place + cut]))
        place += cut

    assert found == 2


def test_a_pattern_that_begins_another_is_found_beside_it() -> None:
    found = found_in(Searcher([b"abcd", b"abcdef", b"bcd"]), b"..abcdef..abcd")

    assert found == {b"abcd": 2, b"abcdef": 1, b"bcd": 2}


def test_noise_holds_no_canary() -> None:
    assert not found_in(EVERY_FORM, NOISE)


def test_json_and_base64_of_a_text_are_found_wherever_it_stands_in_them() -> None:

    canaries = canaries_of_each_kind()
    finds = Finds(patterns_of(canaries.forms()))
    for before in ("", "a", "ab"):
        said = json.dumps({"x": before + canaries.text("text"), "raw": canaries.raw("text").decode("latin-1")})
        finds.search_blocks("plain", [said.encode()])
        finds.search_blocks("base64", [base64.b64encode(said.encode())])
        finds.search_blocks("letters", [said.encode().hex().encode()])

    by_place = {where: times for (where, _), times in finds.places["text"].items()}
    assert set(by_place) == {"plain", "base64", "letters"}
    assert finds.places["text"]["plain", "hex"] == finds.places["text"]["plain", "JSON"] == 3


def test_what_formats_compress_is_found_too(tmp_path: Path) -> None:
    canaries = canaries_of_each_kind()
    text = canaries.text("text")
    (tmp_path / "a.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", text)
    column = pa.table({"x": [text] * 3, "y": [canaries.number("number")] * 3})
    pyarrow.parquet.write_table(column, tmp_path / "c.parquet", compression="zstd")
    with pa.CompressedOutputStream(str(tmp_path / "d"), "zstd") as sink:
        sink.write(text.encode())
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(str(tmp_path / "e.arrow"), column.schema, options=options) as writer:
        writer.write_table(column)
    finds = Finds(patterns_of(canaries.forms()))

    finds.search_folder(tmp_path, tmp_path)

    assert {where for where, _ in finds.places["text"]} >= {"a.gz", "b.zip", "c.parquet", "d", "e.arrow"}
    assert {where for where, _ in finds.places["number"]} >= {"c.parquet", "e.arrow"}
    assert finds.files == 5


def test_what_only_looks_like_a_format_is_searched_as_it_is(tmp_path: Path) -> None:
    canaries = canaries_of_each_kind()
    for name, magic in {"gz": b"\x1f\x8b", "parquet": b"PAR1", "zip": b"PK\x03\x04", "arrow": b"ARROW1"}.items():
        (tmp_path / name).write_bytes(magic + canaries.raw("text"))
    finds = Finds(patterns_of(canaries.forms()))

    finds.search_folder(tmp_path, tmp_path)

    assert {where for where, _ in finds.places["text"]} == {"gz", "parquet", "zip", "arrow"}


def test_names_of_files_are_searched_and_links_are_not_followed(tmp_path: Path) -> None:
    canaries = canaries_of_each_kind()
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.write_text(canaries.text("text"))
    (inside / "link").symlink_to(outside)
    (inside / canaries.text("text")).write_bytes(b"")
    finds = Finds(patterns_of(canaries.forms()))

    finds.search_folder(tmp_path, inside)

    assert finds.places["text"].total() == 1


def test_a_file_may_stand_in_place_of_a_folder_and_what_is_gone_holds_nothing(tmp_path: Path) -> None:
    canaries = canaries_of_each_kind()
    (tmp_path / "file").write_text(canaries.text("text"))
    finds = Finds(patterns_of(canaries.forms()))

    for name in ("file", "gone"):
        finds.search_folder(tmp_path, tmp_path / name)

    assert finds.files == 1 and set(finds.places["text"]) == {("file", "hex")}


def test_a_known_secret_is_looked_for_whole_and_a_short_one_is_no_canary() -> None:
    canaries = Canaries(SeededRandomness(6))
    canaries.known("API key", "a-secret_with_every-sign_in-it")
    finds = Finds(patterns_of(canaries.forms()))
    finds.search_blocks("header", [b"Bearer dsk_00_a-secret_with_every-sign_in-it"])

    assert finds.channels == {"API key"}
    with pytest.raises(InputError, match="2 characters"):
        canaries.known("tail", "it")
