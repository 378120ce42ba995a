"""A folder for `PYTHONPATH`: what Python loads from it first takes secrecy away, in the drill's control run alone."""
