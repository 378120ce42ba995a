"""A stream is told to be encrypted or not from the files of a real broker, with its cipher and without."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nats
import pytest

from dissonance.adapters.embedded.at_rest import plain_streams, refuse_plain_streams
from dissonance.errors import EngineError
from support.bus import NatsServer

CIPHER = 'cipher: chachapoly, key: "k0123456789abcdef"'
CANARY = bytes(range(7, 71))


def with_a_stream(folder: Path, *, cipher: str) -> Path:
    """The broker's store, in which one stream holds one message. The server has ended."""
    server = NatsServer(folder)
    configuration = folder / "nats.conf"
    text = configuration.read_text()
    configuration.write_text(text.replace(f'store_dir: "{server.store}"', f'store_dir: "{server.store}", {cipher}'))

    async def publish() -> None:
        client = await nats.connect(server.url)
        jetstream = client.jetstream()
        await jetstream.add_stream(name="EVENTS", subjects=["events"])
        await jetstream.publish("events", CANARY)
        await client.close()

    server.start()
    try:
        asyncio.run(publish())
    finally:
        server.stop()
    return server.store


def test_encrypted_stream_holds_no_message_in_plain_and_is_told_so(tmp_path: Path) -> None:
    store = with_a_stream(tmp_path, cipher=CIPHER)
    assert list(store.glob("jetstream/*/streams/EVENTS/meta.inf"))
    assert plain_streams(store) == []
    refuse_plain_streams(store)
    assert not [path for path in store.rglob("*") if path.is_file() and CANARY in path.read_bytes()]


def test_plain_stream_is_named(tmp_path: Path) -> None:
    store = with_a_stream(tmp_path, cipher="")
    assert plain_streams(store) == ["EVENTS"]
    with pytest.raises(EngineError, match="EVENTS"):
        refuse_plain_streams(store)
    assert [path for path in store.rglob("*") if path.is_file() and CANARY in path.read_bytes()]


def test_folder_without_streams_has_none_in_plain(tmp_path: Path) -> None:
    assert plain_streams(tmp_path) == []


def test_encrypted_description_that_begins_as_json_does_is_not_taken_for_plain(tmp_path: Path) -> None:
    stream = tmp_path / "jetstream" / "$G" / "streams" / "EVENTS"
    stream.mkdir(parents=True)
    (stream / "meta.key").write_bytes(CANARY)
    (stream / "meta.inf").write_bytes(b"{" + CANARY)
    assert plain_streams(tmp_path) == []
