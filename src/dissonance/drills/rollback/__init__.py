"""The drill on taking models back: how fast, by command and by the system itself, and what a client notices."""
