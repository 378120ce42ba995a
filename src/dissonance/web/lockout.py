"""Pauses for those whose authentication fails again and again (CWE-307): by client address, and by credential.

What is put off is failing. A right credential is let in whatever others did from the same address: credentials here
cannot be guessed, so to refuse right ones too would protect nobody, and would let anybody behind the same proxy lock
out all others (ADR 53).
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from dissonance.errors import LockedOut
from dissonance.ports.clock import Clock
from dissonance.security.secret_texts import text_digest

FREE_OF_ADDRESS = 20
"""Failures of an address before the first pause: many people may share one."""

FREE_OF_CREDENTIAL = 3
FIRST_S = 1.0
"""Of the first pause; each is twice as long as the one before."""

LONGEST_S = 300.0
FORGOTTEN_S = 900.0
"""After so many seconds without a failure nothing is held against anybody."""

KEPT = 10_000
"""Addresses that are remembered, and credentials; those that failed longest ago are forgotten first."""

NETWORK_BITS = 64
"""Of an address of IPv6: one customer has so many of them that each attempt may come from another (RFC 6177)."""


class _Failures(NamedTuple):
    times: int
    last_us: int
    until_us: int  # end of the pause


class _Pauses:
    def __init__(self, clock: Clock, free: int) -> None:
        self._clock = clock
        self._free = free
        self._known: OrderedDict[str | bytes, _Failures] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._known)

    def left_s(self, key: str | bytes) -> float:
        """Seconds of the pause that are left."""
        known = self._known.get(key)
        return 0.0 if known is None else max(0, known.until_us - self._clock.now_us()) / 1e6

    def failed(self, key: str | bytes) -> None:
        """Once more; within a pause it counts for nothing."""
        now_us = self._clock.now_us()
        before = self._known.pop(key, None)
        if before is None or now_us - max(before.last_us, before.until_us) > FORGOTTEN_S * 1e6:
            before = _Failures(0, now_us, 0)
        if now_us < before.until_us:
            self._known[key] = before
            return
        times = before.times + 1
        beyond = times - self._free
        pause_s = min(FIRST_S * 2.0 ** min(beyond - 1, 64), LONGEST_S) if beyond > 0 else 0.0
        self._known[key] = _Failures(times, now_us, now_us + round(pause_s * 1e6))
        if len(self._known) > KEPT:
            self._known.popitem(last=False)


class Lockout:
    """One a process. For one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._addresses = _Pauses(clock, FREE_OF_ADDRESS)
        self._credentials = _Pauses(clock, FREE_OF_CREDENTIAL)

    def require(self, credential: str) -> None:
        """Raises `LockedOut` for a credential that failed before, while its pause lasts: it is not looked at again."""
        if self._credentials:
            _refuse(self._credentials.left_s(text_digest(credential)))

    def require_guess(self, address: str, name: str) -> None:
        """Of what can be guessed, as the password of `name`. Raises `LockedOut` while the name or the address pauses:
        not even a right guess is then told from a wrong one."""
        self.require(name)
        _refuse(self._addresses.left_s(network_of(address)))

    def failed(self, address: str, credential: str) -> None:
        """It was not a right one. Raises `LockedOut` while the address pauses."""
        self._credentials.failed(text_digest(credential))
        network = network_of(address)
        self._addresses.failed(network)
        _refuse(self._addresses.left_s(network))


def network_of(address: str) -> str:
    """What counts as one address; as it is where it is none, as of a socket of the file system.

    >>> network_of("192.0.2.7"), network_of("2001:db8::7"), network_of("")
    ('192.0.2.7', '2001:db8::/64', '')
    """
    try:
        read = ip_address(address)
    except ValueError:
        return address
    return address if read.version == 4 else str(ip_network((read, NETWORK_BITS), strict=False))


def _refuse(left_s: float) -> None:
    if left_s > 0.0:
        raise LockedOut(
            "authentication failed too often",
            where="header Authorization",
            fix="get a valid token, and ask again after the seconds in Retry-After",
            retry_after_s=left_s,
        )
