"""Checks of tables by pandera."""
