from __future__ import annotations

import socket
import struct
from collections import Counter
from pathlib import Path

from dissonance.drills.encryption.search import Searcher
from dissonance.drills.encryption.wire import Wire, payload_of

PORTS = struct.pack(">HH", 40000, 8080)


def frame(payload: bytes, ports: bytes = PORTS, padding: bytes = b"") -> bytes:
    """An Ethernet frame of TCP over IPv4, with options of TCP."""
    segment = ports + bytes(8) + bytes([8 << 4]) + bytes(7) + bytes(12) + payload
    header = bytes([0x45, 0]) + struct.pack(">H", 20 + len(segment)) + bytes(5) + bytes([6, 0, 0]) + bytes(8)
    return bytes(12) + b"\x08\x00" + header + segment + padding


def test_payload_is_what_is_behind_the_headers_and_before_the_padding() -> None:
    assert payload_of(frame(b"GET /", padding=b"\0\0")) == (bytes(8) + PORTS, b"GET /")
    assert payload_of(frame(b"")) is None
    assert payload_of(bytes(12) + b"\x08\x06" + bytes(40)) is None
    assert payload_of(b"") is None


def test_ipv6_is_read_too() -> None:
    segment = PORTS + bytes(8) + bytes([5 << 4]) + bytes(7) + b"hello"
    packet = bytes(12) + b"\x86\xdd" + bytes(6) + bytes([6, 64]) + bytes(32) + segment

    assert payload_of(packet) == (bytes(32) + PORTS, b"hello")


class Heard(Wire):
    """A wire whose packets are given."""

    def __init__(self, file: Path, packets: list[bytes]) -> None:
        file.write_bytes(b"".join(struct.pack("<I", len(each)) + each for each in packets))
        self._path, self._dropped = file, 0


def test_canary_across_packets_of_one_stream_is_found_and_across_streams_is_not(tmp_path: Path) -> None:
    other = struct.pack(">HH", 40001, 8080)
    searcher = Searcher([b"canary"])

    together = Heard(tmp_path / "a", [frame(b"a can"), frame(b"noise", other), frame(b"ary")]).seen(searcher)
    apart = Heard(tmp_path / "b", [frame(b"a can"), frame(b"ary", other)]).seen(searcher)

    assert together.found == Counter({b"canary": 1})
    assert (together.packets, together.bytes) == (3, 13)
    assert not apart.found


def test_what_goes_over_loopback_is_heard_or_the_process_may_not_look(tmp_path: Path) -> None:
    canary = b"a canary over loopback"
    try:
        wire = Wire(tmp_path / "packets")
    except (PermissionError, AttributeError):  # nobody but root listens, and only on Linux so
        assert not (tmp_path / "packets").exists()
        return
    with wire, socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as end:
        end.sendall(canary)
        accepted, _ = server.accept()
        with accepted:
            assert accepted.recv(100) == canary

    assert wire.seen(Searcher([canary])).found == {canary: 1}
