"""Records in a file: whatever was cut or changed, what is whole is read, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dissonance.adapters.spool.frames import HEADER_BYTES, done_in, frame, header, records

payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def written(items: list[bytes]) -> bytes:
    return header(HEADER_BYTES) + b"".join(map(frame, items))


@given(payloads)
def test_what_was_written_is_read_in_order(items: list[bytes]) -> None:
    data = written(items)
    found = list(records(data, HEADER_BYTES))
    assert [record.payload for record in found] == items
    assert [record.end for record in found][-1:] == ([len(data)] if items else [])


@given(payloads, st.data())
def test_file_cut_anywhere_gives_its_whole_records(items: list[bytes], draw: st.DataObject) -> None:
    data = written(items)
    cut = data[: draw.draw(st.integers(HEADER_BYTES, len(data)))]
    found = [record.payload for record in records(cut, HEADER_BYTES)]
    assert found == items[: len(found)]
    assert len(written(items[: len(found) + 1])) > len(cut) or len(found) == len(items)


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=2, max_size=8), st.data())
def test_record_that_was_changed_is_left_out_and_those_behind_it_are_read(
    items: list[bytes], draw: st.DataObject
) -> None:
    position = draw.draw(st.integers(0, len(items) - 2))
    start = len(written(items[: position + 1])) - len(items[position])
    data = bytearray(written(items))
    data[start] ^= 0xFF
    found = [record.payload for record in records(bytes(data), HEADER_BYTES)]
    assert found == [*items[:position], None, *items[position + 1 :]]


@given(st.binary(max_size=60))
def test_any_bytes_after_a_header_are_read_without_an_error(noise: bytes) -> None:
    for record in records(header(0) + noise, HEADER_BYTES):
        assert record.end <= HEADER_BYTES + len(noise)


def test_records_that_are_dealt_with_are_not_read_again() -> None:
    data = written([b"one", b"two"])
    done = len(written([b"one"]))
    assert done_in(header(done) + data[HEADER_BYTES:]) == done
    assert [record.payload for record in records(data, done)] == [b"two"]


def test_file_of_another_kind_has_no_offset() -> None:
    assert done_in(b"") is None
    assert done_in(b"x" * 40) is None
