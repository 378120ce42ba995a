"""Batch scoring: a file of rows becomes a file of answers, part by part, and goes on where it was cut."""
