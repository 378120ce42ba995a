"""Rows of any database that SQLAlchemy knows."""
