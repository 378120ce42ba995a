"""PostgreSQL: the experience store and, in a database of its own, the keys of data subjects."""
