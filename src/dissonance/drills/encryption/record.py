"""The record of the drill: of each channel, where the control saw it, and where the sealed system showed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from dissonance.adapters.clock import SystemClock
from dissonance.drills.encryption.finding import Finds
from dissonance.drills.encryption.story import Looked
from dissonance.drills.records import AtLeast, Equals, Raw, Record, make_record

COMMAND: Final = "dissonance drill encryption"
LEAST_CHANNELS: Final = 80
"""A drill that sends through fewer has lost some."""

WRITTEN_NOWHERE: Final = frozenset(
    {
        "pipeline run: query",
        "pipeline run: password",
        "pipeline run, refused: category",
        "pipeline run, refused: data subject",
    }
)
"""Channels of files and addresses that commands read and the system writes nowhere, sealed or not: they are searched
for, and no control can show them."""


COLUMNS: Final = ("control_at_rest", "control_on_the_wire", "control_told", "sealed_at_rest", "sealed_on_the_wire")


def record_of(sealed: Looked, control: Looked) -> Record:
    return make_record(
        name="encryption",
        what="random canaries through every input that is no declared metadata; then the whole system is stopped and "
        "every byte of data, logs, temporary folders and artefacts, and of the loopback device, is searched for them; "
        "the control is the same without encryption",
        command=COMMAND,
        now_us=SystemClock().now_us(),
        raw=raw_of(sealed, control),
        limits=[
            AtLeast("channels", LEAST_CHANNELS),
            Equals("found_at_rest", 0),
            Equals("found_on_the_wire", 0),
            Equals("not_seen_by_the_control", 0),
            Equals("wire_looked_at", 1),
            Equals("packets_dropped", 0),
            Equals("folders_not_searched", 0),
        ],
    )


def raw_of(sealed: Looked, control: Looked) -> dict[str, Raw]:
    """`by_channel`, and what follows it, side by side: how often each was found. `found_where`: a line a place."""
    channels = sorted({*sealed.channels, *control.channels})
    shown = set().union(*(each.channels for each in (control.rest, control.wire, control.told) if each is not None))
    unseen = [name for name in channels if name not in shown and name not in WRITTEN_NOWHERE]
    return {
        "channels": len(channels),
        "found_at_rest": _channels_in(sealed.rest),
        "found_on_the_wire": None if sealed.wire is None else _channels_in(sealed.wire),
        "found_where": _lines(sealed),
        "not_seen_by_the_control": len(unseen),
        "not_seen": list(unseen),
        "written_nowhere": len(WRITTEN_NOWHERE - shown),
        "wire_looked_at": int(sealed.wire is not None and control.wire is not None),
        "packets": sealed.packets,
        "packets_dropped": sealed.dropped + control.dropped,
        "wire_bytes": sealed.wire.bytes if sealed.wire is not None else None,
        "files": sealed.rest.files,
        "bytes": sealed.rest.bytes,
        "folders_not_searched": sealed.planted - sealed.seen + control.planted - control.seen,
        "by_channel": list(channels),
        "control_at_rest": [_times(control.rest, name) for name in channels],
        "control_on_the_wire": [_times(control.wire, name) for name in channels],
        "control_told": [_times(control.told, name) for name in channels],
        "sealed_at_rest": [_times(sealed.rest, name) for name in channels],
        "sealed_on_the_wire": [_times(sealed.wire, name) for name in channels],
    }


def table_of(raw: Mapping[str, Raw]) -> list[tuple[str, ...]]:
    """A row for each channel: its name, and how often it was found, as `COLUMNS` says."""
    columns = [raw[name] for name in COLUMNS]
    names = raw["by_channel"]
    assert isinstance(names, list)
    cells = [each if isinstance(each, list) else [] for each in columns]
    return [(str(name), *map(str, row)) for name, *row in zip(names, *cells, strict=True)]


def _channels_in(finds: Finds) -> int:
    return len(finds.channels)


def _times(finds: Finds | None, channel: str) -> int:
    return 0 if finds is None else finds.places.get(channel, Counter()).total()


def _lines(looked: Looked) -> list[float | int | str | None]:
    found = [each for each in (looked.rest, looked.wire) if each is not None]
    return [
        f"{channel}: {where} ({form}, {times})"
        for finds in found
        for channel, places in sorted(finds.places.items())
        for (where, form), times in sorted(places.items())
    ]
