"""TCP ports on the loopback interface."""

from __future__ import annotations

import socket

from dissonance.errors import EngineError

HOST = "127.0.0.1"


def choose_port(wanted: int = 0, *, engine: str) -> int:
    """`wanted` when it is free, or any free port for 0. Raises `EngineError` that names a port that is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that is still closing does not hold the port, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
            probe.listen()
        except (OSError, OverflowError) as error:
            raise EngineError(
                f"port {wanted} cannot be had for {engine}: {getattr(error, 'strerror', None) or error}",
                where=f"{HOST}:{wanted}",
                fix=f"stop the program that holds it, or choose another with --{engine}-port (0 for any free one)",
            ) from error
        return int(probe.getsockname()[1])
