from __future__ import annotations

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.drills.encryption.canaries import Canaries, patterns_of
from dissonance.drills.encryption.finding import Finds
from dissonance.drills.encryption.record import LEAST_CHANNELS, record_of, table_of
from dissonance.drills.encryption.story import Looked
from dissonance.drills.records import Outcome

CHANNELS = [f"channel {number}" for number in range(LEAST_CHANNELS)]


def finds(*channels: str) -> Finds:
    """In which these were found, once each."""
    canaries = Canaries(SeededRandomness())
    for channel in CHANNELS:
        canaries.text(channel)
    made = Finds(patterns_of(canaries.forms()))
    made.search_blocks("a file", [canaries.raw(channel) for channel in channels])
    return made


def looked(rest: Finds, wire: Finds | None, dropped: int = 0, seen: int = 3) -> Looked:
    return Looked(CHANNELS, rest, wire, finds(), 10, dropped, planted=3, seen=seen)


CLEAN = looked(finds(), finds())
CONTROL = looked(finds(*CHANNELS[1:]), finds(CHANNELS[0]))


def test_nothing_found_passes_when_the_control_shows_every_canary_somewhere() -> None:
    record = record_of(CLEAN, CONTROL)

    assert (record.verdict, record.reasons) == (Outcome.PASS, [])
    assert table_of(record.raw)[0] == ("channel 0", "0", "1", "0", "0", "0")


def test_a_canary_in_a_file_fails_and_the_record_says_where() -> None:
    record = record_of(looked(finds("channel 7"), finds()), CONTROL)

    assert record.verdict is Outcome.FAIL
    assert record.raw["found_where"] == ["channel 7: a file (raw, 1)"]


def test_a_canary_on_the_wire_fails() -> None:
    assert record_of(looked(finds(), finds("channel 7")), CONTROL).raw["found_on_the_wire"] == 1


def test_a_channel_that_the_control_does_not_show_fails() -> None:
    record = record_of(CLEAN, looked(finds(*CHANNELS[2:]), finds(CHANNELS[0])))

    assert record.reasons == ["not_seen_by_the_control is 1; it must be exactly 0"]
    assert record.raw["not_seen"] == ["channel 1"]


def test_a_wire_that_was_not_looked_at_is_no_pass() -> None:
    record = record_of(looked(finds(), None), looked(finds(*CHANNELS), None))

    assert record.verdict is Outcome.FAIL
    assert record.raw["wire_looked_at"] == 0


def test_dropped_packets_and_folders_that_were_not_searched_are_no_pass() -> None:
    assert record_of(looked(finds(), finds(), dropped=1), CONTROL).verdict is Outcome.FAIL
    assert record_of(looked(finds(), finds(), seen=2), CONTROL).verdict is Outcome.FAIL
