"""Arithmetic only: arrays in, frozen results out; no I/O, no clock, no global random state (design section 3)."""
