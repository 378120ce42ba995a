"""The best open ways to tell a model's accuracy without labels, and to tell whether its inputs moved."""
