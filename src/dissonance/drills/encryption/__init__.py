"""Canaries are sent through every input; then every byte that rests, and every byte that went by wire, is searched."""
