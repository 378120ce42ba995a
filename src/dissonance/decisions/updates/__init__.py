"""The gate per update: one rule a file, and the verdict over all of them."""
