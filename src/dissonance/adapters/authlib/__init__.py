"""OAuth 2 for the local issuer, on Authlib (ADR 66)."""
