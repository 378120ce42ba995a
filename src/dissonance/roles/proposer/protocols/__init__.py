"""Protocols that clients already speak (ADR 37). All of them end in the same `Ask` as `/v1/tasks/{task}/predict`."""
