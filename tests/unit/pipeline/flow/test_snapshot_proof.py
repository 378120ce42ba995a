"""The proof of a snapshot's file."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dissonance.pipeline.flow.snapshot_proof import FileProof, holds

KEY = bytes(32)
ROWS = 40_003


def table(first: bytes = b"row") -> pa.Table:
    kinds = pa.array(["a", "b", "a"] * (ROWS // 3) + ["b"]).dictionary_encode()
    return pa.table(
        {
            "ident": pa.array([first, *(b"%d" % number for number in range(1, ROWS))]),
            "fixed": pa.array([bytes(16)] * ROWS, pa.binary(16)),
            "time": pa.array(range(ROWS), pa.int64()),
            "kind": kinds,
        }
    )


def proof_of(rows: pa.Table) -> bytes:
    proof = FileProof(KEY)
    for batch in rows.combine_chunks().to_batches(max_chunksize=20_000):
        proof.add(batch)
    return proof.value()


def test_proof_holds_however_the_rows_lie_in_memory() -> None:
    rows = table()
    proof = proof_of(rows)
    parts = [rows.slice(start, 7_001) for start in range(0, ROWS, 7_001)]
    assert holds(KEY, rows, proof)
    assert holds(KEY, pa.concat_tables(parts), proof)
    assert not holds(b"another key, of 32 bytes exactly", rows, proof)
    assert not holds(KEY, rows, b"")


@pytest.mark.parametrize("change", [lambda rows: rows.slice(1), lambda rows: rows.select(["ident", "fixed", "time"])])
def test_proof_does_not_hold_for_fewer_rows_or_columns(change) -> None:  # type: ignore[no-untyped-def]
    assert not holds(KEY, change(table()), proof_of(table()))


def test_where_one_value_ends_and_the_next_begins_is_proven_too() -> None:
    one, other = (pa.table({"a": pa.array(values)}) for values in ([b"ab", b"c"], [b"a", b"bc"]))
    assert not holds(KEY, other, proof_of(one))
