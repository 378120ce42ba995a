"""Everything that goes over the loopback device, by a raw packet socket (Linux, packet(7)); then searched by stream.

Packets are kept in a file while the drill runs and put together into streams of TCP afterwards, so that looking on
costs little and nothing is missed across a border of packets. The kernel says how many it had no room for.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

from dissonance.drills.encryption.search import Searcher, Stream

EVERY_PROTOCOL: Final = 0x0003
OUTGOING: Final = 4
"""On the loopback device each packet is seen twice, going out and coming in."""

PACKET_LEVEL, STATISTICS = 263, 6
FORCE_BUFFER: Final = 33
BUFFER_BYTES: Final = 256 << 20
LARGEST_PACKET: Final = 1 << 18
LOOK_S: Final = 0.2
IPV4, IPV6, TCP, UDP = 0x0800, 0x86DD, 6, 17
DEVICE = "lo"


class Seen(NamedTuple):
    """`found`: how often each pattern went by. `dropped`: packets that the kernel had no room for."""

    found: Counter[bytes]
    packets: int
    bytes: int
    dropped: int


class Wire:
    """While it is open, packets of the loopback device are written to `file`. Raises `PermissionError` where this
    process may not look, and `OSError` where there is no such socket."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
        with suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, FORCE_BUFFER, BUFFER_BYTES)
        self._socket.bind((DEVICE, 0))
        self._socket.settimeout(LOOK_S)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, name="wire")
        self._dropped = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What went by until now is written down, also what nobody has looked at yet."""
        self._ended.set()
        self._thread.join()
        self._socket.settimeout(0.0)
        with self._path.open("ab") as file, suppress(BlockingIOError):
            while True:
                self._write_one(file)
        _, self._dropped = struct.unpack("II", self._socket.getsockopt(PACKET_LEVEL, STATISTICS, 8))
        self._socket.close()

    def seen(self, searcher: Searcher) -> Seen:
        """After it was closed."""
        streams: dict[bytes, Stream] = {}
        found, packets, length = Counter[bytes](), 0, 0
        for packet in self._packets():
            split = payload_of(packet)
            if split is None:
                continue
            flow, payload = split
            found.update(streams.setdefault(flow, searcher.stream()).feed(payload))
            packets, length = packets + 1, length + len(payload)
        return Seen(found, packets, length, self._dropped)

    def _write(self) -> None:
        with self._path.open("wb") as file:
            while not self._ended.is_set():
                with suppress(TimeoutError):
                    self._write_one(file)

    def _write_one(self, file: BinaryIO) -> None:
        packet, (_, _, kind, *_) = self._socket.recvfrom(LARGEST_PACKET)
        if kind == OUTGOING:
            file.write(struct.pack("<I", len(packet)) + packet)

    def _packets(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while size := file.read(4):
                yield file.read(int.from_bytes(size, "little"))


def payload_of(packet: bytes) -> tuple[bytes, bytes] | None:
    """The flow (addresses and ports) that an Ethernet frame belongs to, and what it carries; None for what carries
    nothing, or neither TCP nor UDP over IP."""
    kind, body = int.from_bytes(packet[12:14], "big"), packet[14:]
    if kind == IPV4 and len(body) >= 20:
        header, protocol = 4 * (body[0] & 15), body[9]
        addresses, body = body[12:20], body[header : int.from_bytes(body[2:4], "big") or None]
    elif kind == IPV6 and len(body) >= 40:
        protocol, addresses, body = body[6], body[8:40], body[40:]
    else:
        return None
    if protocol == TCP and len(body) >= 20:
        payload = body[4 * (body[12] >> 4) :]
    elif protocol == UDP:
        payload = body[8:]
    else:
        return None
    return (addresses + body[:4], payload) if payload else None
