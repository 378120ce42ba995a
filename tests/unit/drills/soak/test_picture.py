"""The picture shows every part and every consumer of the record, and not the process that counts."""

from __future__ import annotations

from xml.etree import ElementTree

from dissonance.drills.records import AtMost, Record, make_record
from dissonance.drills.soak.gauge import LOAD_GENERATOR
from dissonance.drills.soak.picture import picture

NOON_US = 1_700_000_000_000_000


def record(most: float) -> Record:
    return make_record(
        name="bench-soak",
        what="rows through every role",
        command="dissonance drill bench-soak",
        now_us=NOON_US,
        raw={
            "largest_lag": 4,
            "series_rows": [1_000, 2_000, 3_000],
            "series_elapsed_s": [1.0, 2.0, 3.0],
            "series_gate_mib": [200.0, 201.0, 201.0],
            f"series_{LOAD_GENERATOR}_mib": [300.0, 400.0, 500.0],
            "series_gate-contradicted_lag": [0, 4, 0],
        },
        limits=[AtMost("largest_lag", most)],
    )


def test_picture_names_every_part_and_consumer_but_not_the_load() -> None:
    drawn = picture(record(5))

    ElementTree.fromstring(drawn)
    assert ">gate<" in drawn
    assert ">gate-contradicted<" in drawn
    assert LOAD_GENERATOR not in drawn


def test_picture_tells_the_verdict_and_is_the_same_for_the_same_record() -> None:
    assert ": pass" in picture(record(5))
    assert ": fail" in picture(record(3))
    assert picture(record(3)) == picture(record(3))
