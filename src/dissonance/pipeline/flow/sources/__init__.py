"""Sources of rows that need no vendor: files, and the events of the bus."""
