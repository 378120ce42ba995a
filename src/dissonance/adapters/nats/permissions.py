"""What the broker lets a part of the system do, from what it needs: topics, and the subjects of JetStream's own API.

Nothing is allowed that is not listed. Answers come to an inbox of the part's own, since messages that are fetched come
there too: who may listen to another's inbox reads its messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from dissonance.adapters.nats.streams import NAMES_REQUEST, durable
from dissonance.contracts.bus_needs import WATCHED, BusNeeds
from dissonance.contracts.consumers import CONSUMERS
from dissonance.contracts.topics import ANY_TASK, DEAD_STREAM, EventKind, ask_topic, dead_topic, stream, topic

API = "$JS.API"
ANSWERS_S = 10
"""Seconds within which a question may be answered."""


class Allowed(NamedTuple):
    """Subjects, sorted. `answers`: may publish once to where a question that reached it asks for the answer."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool


def inbox_of(name: str) -> str:
    """
    >>> inbox_of("critic")
    '_INBOX_critic'
    """
    return f"_INBOX_{name}"


def allowed(name: str, needs: BusNeeds) -> Allowed:
    """`name`: of the part, as in `NEEDS`."""
    publish = {NAMES_REQUEST, f"{inbox_of(name)}.>", *map(topic, needs.publishes), *map(ask_topic, needs.asks)}
    publish |= {f"{API}.STREAM.MSG.GET.{stream(kind)}" for kind in needs.reads_back}
    for consumer in needs.consumers:
        for kind in CONSUMERS[consumer]:
            publish |= _of_consumer(consumer, kind) | _of_looking(consumer, kind)
    if needs.looks_at_all:
        publish.add(f"{API}.STREAM.MSG.GET.{DEAD_STREAM}")
        for consumer, kinds in CONSUMERS.items():
            publish.update(*(_of_looking(consumer, kind) for kind in kinds))
    subscribe = {f"{inbox_of(name)}.>", *map(topic, (*WATCHED, *needs.watches)), *map(ask_topic, needs.answers)}
    return Allowed(tuple(sorted(publish)), tuple(sorted(subscribe)), bool(needs.answers))


def _of_consumer(consumer: str, kind: EventKind) -> set[str]:
    """Make it, fetch from it, acknowledge (as servers with and without a domain write that, NATS ADR-15), bury."""
    its = f"{stream(kind)}.{durable(consumer, kind)}"
    return {
        f"{API}.CONSUMER.CREATE.{its}",
        f"{API}.CONSUMER.DURABLE.CREATE.{its}",
        f"{API}.CONSUMER.MSG.NEXT.{its}",
        f"$JS.ACK.{its}.>",
        f"$JS.ACK.*.*.{its}.>",
        dead_topic(kind, ANY_TASK, consumer),
    }


def _of_looking(consumer: str, kind: EventKind) -> set[str]:
    """How far a consumer is, and since when its oldest message waits."""
    return {
        f"{API}.CONSUMER.INFO.{stream(kind)}.{durable(consumer, kind)}",
        f"{API}.STREAM.INFO.{stream(kind)}",
        f"{API}.STREAM.MSG.GET.{stream(kind)}",
    }


def users(needs: Mapping[str, BusNeeds], public_keys: Mapping[str, str]) -> str:
    """Entries for `users` in the server's configuration, one for each part that has a public key."""
    return "\n".join(
        _user(name, public_keys[name], allowed(name, needs[name])) for name in needs if name in public_keys
    )


def _user(name: str, public_key: str, may: Allowed) -> str:
    responses = f'\n      allow_responses: {{ max: 1, expires: "{ANSWERS_S}s" }}' if may.answers else ""
    return f"""\
  {{ # {name}
    nkey: {public_key}
    permissions: {{
      publish: {{ allow: {json.dumps(may.publish)} }}
      subscribe: {{ allow: {json.dumps(may.subscribe)} }}{responses}
    }}
  }}"""
