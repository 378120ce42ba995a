"""Anchors of hash chains, in files of a folder."""
