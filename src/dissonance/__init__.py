"""Dissonance keeps a classifier in production right, and can prove it (docs/design.md)."""

__version__ = "0.1.0"
