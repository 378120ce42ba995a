"""A certificate is good for its names, its purpose and its time, and for those who trust its authority."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.contracts.times import EPOCH
from dissonance.security.certificates import CLIENT, SERVER, certificate_of, issue, new_authority

NOW_US = 1_700_000_000_000_000
DAY_US = 86_400_000_000
token = SeededRandomness(5).token
AUTHORITY, OTHER = new_authority(NOW_US, token), new_authority(NOW_US, token)


def verified(pem: bytes, authority: bytes, name: str = "localhost", days: float = 0.0) -> None:
    """By the rules of the web (RFC 5280, CA/Browser forum), as `cryptography` implements them."""
    store = Store([x509.load_pem_x509_certificate(authority)])
    moment = EPOCH.fromtimestamp((NOW_US + days * DAY_US) / 1e6, EPOCH.tzinfo)
    verifier = PolicyBuilder().store(store).time(moment).build_server_verifier(x509.DNSName(name))
    verifier.verify(x509.load_pem_x509_certificate(pem), [])


def test_a_server_is_known_by_its_name_while_its_certificate_lasts() -> None:
    made = issue(AUTHORITY, "a", ["localhost", "::1"], SERVER, now_us=NOW_US, token=token)
    verified(made, AUTHORITY)
    verified(made, AUTHORITY, days=6.9)


@pytest.mark.parametrize(
    "options",
    [{"name": "elsewhere"}, {"days": 7.1}, {"days": -0.1}, {"authority": OTHER}],
    ids=["another name", "too late", "too early", "another authority"],
)
def test_another_name_time_or_authority_is_refused(options: dict[str, object]) -> None:
    made = issue(AUTHORITY, "a", ["localhost"], SERVER, now_us=NOW_US, token=token)
    with pytest.raises(VerificationError):
        verified(made, **{"authority": AUTHORITY, **options})  # type: ignore[arg-type]


def test_a_client_cannot_pretend_to_be_a_server() -> None:
    made = issue(AUTHORITY, "a", ["localhost"], CLIENT, now_us=NOW_US, token=token)
    with pytest.raises(VerificationError):
        verified(made, AUTHORITY)


def test_what_others_see_of_an_authority_has_no_key_in_it() -> None:
    assert b"PRIVATE" in AUTHORITY
    assert b"PRIVATE" not in certificate_of(AUTHORITY)
