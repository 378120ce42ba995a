"""The soak: a million rows through every role at a steady rate; memory, lag and loss by the way."""
