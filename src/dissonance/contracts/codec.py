"""Events to bytes and back. The wire is msgpack: `[kind, schema version, body]`.

An event of an older version is still read: each step from version v to v + 1 is one function in
`UPCASTS` on the plain body. A newer version than this code knows is refused, not guessed at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dissonance.contracts.events import EVENT_TYPES, PRODUCTION_ARM, Event
from dissonance.contracts.topics import EventKind
from dissonance.errors import MalformedEvent, UnknownSchemaVersion

Body = dict[str, Any]


def _give_rows_to_production_arm(body: Body) -> Body:
    """Version 1 knew no canary: production answered every row, with certainty."""
    n = len(body["prediction_ids"])
    return {**body, "canary_arms": [PRODUCTION_ARM] * n, "propensities": [1.0] * n}


def _by_defaults(body: Body) -> Body:
    """The step to a version whose new fields have defaults."""
    return body


UPCASTS: dict[tuple[EventKind, int], Callable[[Body], Body]] = {
    (EventKind.PREDICTED, 1): _give_rows_to_production_arm,
    (EventKind.CONTRADICTED, 1): _give_rows_to_production_arm,
    (EventKind.JUDGED, 1): _give_rows_to_production_arm,
    (EventKind.PREDICTED, 2): _by_defaults,
    (EventKind.CONTRADICTED, 2): _by_defaults,
    (EventKind.JUDGED, 2): _by_defaults,
    (EventKind.LABELLED, 1): _by_defaults,
    (EventKind.HARM_ESTIMATED, 1): _by_defaults,
    (EventKind.RETRAIN_REQUESTED, 1): _by_defaults,
}

_encoder = msgspec.msgpack.Encoder()


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    kind: EventKind
    schema_version: int
    body: msgspec.Raw


_frames = msgspec.msgpack.Decoder(_Frame)
_decoders = {kind: msgspec.msgpack.Decoder(event) for kind, event in EVENT_TYPES.items()}


def encode(event: Event) -> bytes:
    return _encoder.encode((event.KIND.value, event.SCHEMA_VERSION, event))


def decode(data: bytes) -> Event:
    """Raises `MalformedEvent` or `UnknownSchemaVersion`; neither heals by trying again."""
    try:
        frame = _frames.decode(data)
        current = EVENT_TYPES[frame.kind].SCHEMA_VERSION
        if frame.schema_version == current:
            return _decoders[frame.kind].decode(frame.body)
        if not 1 <= frame.schema_version < current:
            raise UnknownSchemaVersion(
                f"'{frame.kind}' of schema version {frame.schema_version}; this code reads 1 to {current}",
                where="event.schema_version",
                fix="upgrade this role before the one that publishes",
            )
        body = msgspec.msgpack.decode(frame.body, type=Body)
        for version in range(frame.schema_version, current):
            body = UPCASTS[frame.kind, version](body)
        return msgspec.convert(body, EVENT_TYPES[frame.kind])
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEvent(f"not an event: {error}", where="event", fix="see the dead letter's bytes") from error
