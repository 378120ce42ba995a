"""Events on this machine's disk while the broker is away (ADR 41)."""
