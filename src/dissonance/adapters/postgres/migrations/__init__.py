"""Alembic migrations; one folder per database. Run by `migrate`."""
