"""The bus on NATS JetStream."""

from dissonance.adapters.nats.bus import JetStreamBus

__all__ = ["JetStreamBus"]
