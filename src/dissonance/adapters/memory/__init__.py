"""Doubles of the adapters for tests: the same contract, nothing durable. Production refuses them."""
