"""The evidence of decisions: what a bundle holds, deciding again from it, and whether a chain of them holds."""
