"""Drill: keys are rotated under load, and people are erased out of a million, backups included."""
