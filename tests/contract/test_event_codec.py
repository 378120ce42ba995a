"""The wire for ever: bytes that were once published decode to the same values in every later version."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.codec import decode, encode
from dissonance.contracts.events import EVENT_TYPES, Event
from dissonance.contracts.topics import EventKind
from dissonance.errors import ContractError, MalformedEvent, UnknownSchemaVersion
from support.events import CURRENT, OLDER, any_event

GOLDEN = Path(__file__).parent / "golden"


def golden(kind: EventKind, version: int) -> bytes:
    return (GOLDEN / f"{kind.value}.v{version}.msgpack").read_bytes()


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_has_committed_bytes_of_its_current_version(kind: EventKind) -> None:
    version = EVENT_TYPES[kind].SCHEMA_VERSION
    assert decode(golden(kind, version)) == CURRENT[kind]


@pytest.mark.parametrize("kind", EventKind)
def test_what_is_published_today_is_byte_for_byte_what_was_committed(kind: EventKind) -> None:
    assert encode(CURRENT[kind]) == golden(kind, EVENT_TYPES[kind].SCHEMA_VERSION)


@pytest.mark.parametrize(("kind", "version"), OLDER)
def test_an_event_of_an_older_version_is_read_as_what_it_meant(kind: EventKind, version: int) -> None:
    assert decode(golden(kind, version)) == OLDER[kind, version]


def test_version_1_knew_no_canary() -> None:
    old = golden(EventKind.PREDICTED, 1)
    assert b"canary_arms" not in old and b"propensities" not in old


def test_every_committed_file_is_read() -> None:
    versions = {(kind.value, version) for kind, version in OLDER}
    versions |= {(kind.value, EVENT_TYPES[kind].SCHEMA_VERSION) for kind in EventKind}
    assert {path.name for path in GOLDEN.iterdir()} == {f"{kind}.v{version}.msgpack" for kind, version in versions}


@pytest.mark.parametrize("kind", EventKind)
def test_a_version_newer_than_this_code_is_refused_not_guessed_at(kind: EventKind) -> None:
    newer = msgspec.msgpack.encode((kind.value, EVENT_TYPES[kind].SCHEMA_VERSION + 1, CURRENT[kind]))
    with pytest.raises(UnknownSchemaVersion, match="upgrade this role"):
        decode(newer)


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_before_the_first_is_refused(version: int) -> None:
    with pytest.raises(UnknownSchemaVersion):
        decode(msgspec.msgpack.encode(("predicted", version, CURRENT[EventKind.PREDICTED])))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        msgspec.msgpack.encode({"kind": "predicted"}),
        msgspec.msgpack.encode(("no_such_kind", 1, {})),
        msgspec.msgpack.encode(("predicted", 2, {})),
        msgspec.msgpack.encode(("predicted", 1, {})),
        msgspec.msgpack.encode(("predicted", 1, {"prediction_ids": None})),
        msgspec.msgpack.encode(("predicted", "2", {})),
        encode(CURRENT[EventKind.PREDICTED]).replace(b"predicted-1", b"predicted-\x80"),
        b"\x93\xa9predicted\x01" + b"\x91" * 100_000,
        encode(CURRENT[EventKind.PREDICTED])[:-1],
        encode(CURRENT[EventKind.PREDICTED]) + b"\x00",
    ],
)
def test_garbage_is_a_malformed_event(data: bytes) -> None:
    with pytest.raises(MalformedEvent):
        decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_a_contract_error(data: bytes) -> None:
    try:
        event = decode(data)
    except ContractError:
        return
    assert isinstance(event, Event)


@given(st.sampled_from(EventKind), st.integers(0, 3), st.recursive(st.none() | st.booleans() | st.text(), st.lists))
def test_a_frame_with_any_body_decodes_or_raises_a_contract_error(kind: EventKind, version: int, body: object) -> None:
    with pytest.raises(ContractError):
        decode(msgspec.msgpack.encode((kind.value, version, body)))


@given(st.data())
def test_one_changed_byte_decodes_or_raises_a_contract_error(data: st.DataObject) -> None:
    whole = bytearray(encode(CURRENT[data.draw(st.sampled_from(EventKind))]))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(decode(bytes(whole)), Event)
    except ContractError as error:
        assert error.slug in {"malformed-event", "unknown-schema-version"}


@given(any_event)
def test_every_event_survives_the_round_trip(event: Event) -> None:
    assert decode(encode(event)) == event
