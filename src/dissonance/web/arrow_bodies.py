"""Tables in and out as Arrow IPC streams. What comes in is not trusted: it is checked whole before it is looked at.

https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from dissonance.decisions.arrow_messages import batch_of
from dissonance.errors import MalformedBody, UnsupportedMediaType

ARROW = "application/vnd.apache.arrow.stream"


def comes_as_arrow(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == ARROW


def wants_arrow(request: Request) -> bool:
    """Whether `Accept` names Arrow; no weights are compared, since nobody lists it who does not read it."""
    accepted = request.headers.get("accept", "").lower().split(",")
    return any(each.partition(";")[0].strip() == ARROW for each in accepted)


async def read_table(request: Request, check_count: Callable[[int], None]) -> pa.Table:
    """The request's body. `check_count` gets the number of rows before they are looked at, and may raise.

    Raises `UnsupportedMediaType` or `MalformedBody`.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType(
            "the body is compressed", where="header Content-Encoding", fix="send it as it is, with no Content-Encoding"
        )
    return table_of(await request.body(), check_count)


def table_of(body: bytes, check_count: Callable[[int], None]) -> pa.Table:
    """Buffers that are compressed are refused: a small body could open into any size. Raises `MalformedBody`."""
    try:
        if any(_is_compressed(message.metadata.to_pybytes()) for message in pa.ipc.MessageReader.open_stream(body)):
            raise MalformedBody("the stream has compressed buffers", where="body", fix="write it without compression")
        batches, count = [], 0
        with pa.ipc.open_stream(body) as reader:
            for batch in reader:
                count += batch.num_rows
                check_count(count or 1)
                batch.validate(full=True)
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
        table.column_names  # noqa: B018 - they are read now, and may be no text
    except (pa.ArrowException, OSError, struct.error, IndexError, UnicodeDecodeError) as error:
        raise MalformedBody(
            "the body is no Arrow stream", where="body", fix="write it with an IPC stream writer"
        ) from error
    check_count(table.num_rows)
    return table


def arrow_reply(table: pa.Table) -> Response:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW)


def _is_compressed(metadata: bytes) -> bool:
    batch = batch_of(metadata)
    return batch is not None and batch.is_compressed
