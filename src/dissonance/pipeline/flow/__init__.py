"""The pipeline as steps: each knows its inputs by their digests, so that it is done once, and may be cut anywhere."""
