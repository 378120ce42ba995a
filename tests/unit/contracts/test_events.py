"""Events: what they count as rows, and what makes them events of this system."""

from __future__ import annotations

import msgspec
import pytest

from dissonance.contracts.codec import UPCASTS
from dissonance.contracts.events import EVENT_TYPES, Event
from dissonance.contracts.topics import EventKind
from support.events import CURRENT


@pytest.mark.parametrize("kind", EventKind)
def test_rows_are_the_length_of_the_columns_and_1_without_columns(kind: EventKind) -> None:
    event = CURRENT[kind]
    columns = [value for value in msgspec.structs.asdict(event).values() if isinstance(value, list)]
    assert {len(column) for column in columns} <= {event.rows}
    assert columns or event.rows == 1


@pytest.mark.parametrize("event_type", EVENT_TYPES.values())
def test_an_event_cannot_be_changed(event_type: type[Event]) -> None:
    with pytest.raises(AttributeError):
        CURRENT[event_type.KIND].event_id = "another"  # type: ignore[misc]


@pytest.mark.parametrize("event_type", EVENT_TYPES.values())
def test_every_older_version_has_its_step_to_the_next(event_type: type[Event]) -> None:
    steps = {version for kind, version in UPCASTS if kind is event_type.KIND}
    assert steps == set(range(1, event_type.SCHEMA_VERSION))
