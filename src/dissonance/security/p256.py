"""Private keys on P-256 from the random source of the system, which is a port (design 6.4)."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECRET_BYTES = 40
"""The order's 32, and 8 more that make the bias of the reduction negligible (FIPS 186-5, A.2.1)."""

Token = Callable[[int], bytes]
"""Gives so many unpredictable bytes."""


def new_private_key(token: Token) -> ec.EllipticCurvePrivateKey:
    """
    >>> new_private_key(bytes).private_numbers().private_value
    1
    """
    secret = int.from_bytes(token(SECRET_BYTES), "big")
    return ec.derive_private_key(secret % (ORDER - 1) + 1, ec.SECP256R1())
