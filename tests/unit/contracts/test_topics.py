"""The grammar of topics: every address is one of its stream, and of no other."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from dissonance.contracts.events import EVENT_TYPES
from dissonance.contracts.topics import DEAD_PREFIX, DEAD_STREAM, EventKind, dead_topic, stream, topic

TASK_ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("kind", EventKind)
def test_the_topic_of_a_task_belongs_to_the_stream_of_its_kind_alone(kind: EventKind) -> None:
    assert [other for other in EventKind if fnmatchcase(topic(kind, TASK_ID), topic(other))] == [kind]


@pytest.mark.parametrize("kind", EventKind)
def test_a_dead_letter_is_in_no_stream_of_events(kind: EventKind) -> None:
    dead = dead_topic(kind, TASK_ID, "learner")
    assert dead.split(".") == [DEAD_PREFIX, TASK_ID, kind.value, "learner"]
    assert not dead.startswith("dissonance.")


def test_every_kind_has_a_stream_of_its_own_and_an_event_type() -> None:
    names = [stream(kind) for kind in EventKind]
    assert len({*names, DEAD_STREAM}) == len(EventKind) + 1
    assert set(EVENT_TYPES) == set(EventKind)


@pytest.mark.parametrize("kind", EventKind)
def test_a_kind_is_lower_case_words_so_that_topics_and_stream_names_are_valid(kind: EventKind) -> None:
    assert kind.value.replace("_", "").isalpha() and kind.value.islower()
