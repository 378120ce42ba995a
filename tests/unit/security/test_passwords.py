"""What is taken as a password, and what is kept of it."""

from __future__ import annotations

import pytest

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.errors import InputError
from dissonance.security.passwords import (
    COST,
    NOBODYS,
    PasswordCost,
    generated_password,
    hashed_password,
    is_password,
    require_password,
)

CHEAP = PasswordCost(memory_kib=64, passes=1, lanes=1)


@pytest.mark.parametrize("password", ["short", "x" * 14, "x" * 257, "ab" * 10, "my name is ada-lovelace", ""])
def test_what_could_be_guessed_too_easily_is_no_password(password: str) -> None:
    with pytest.raises(InputError):
        require_password(password, "ada-lovelace")


def test_a_password_that_is_made_is_one_and_no_two_are_alike() -> None:
    randomness = SeededRandomness(1)
    made = {generated_password(randomness) for _ in range(20)}

    assert len(made) == 20
    for password in made:
        require_password(password, "ada")


def test_the_same_letters_are_the_same_password_however_they_are_composed() -> None:
    kept = hashed_password("caf\u00e9 au lait, please", bytes(16), CHEAP)

    assert is_password(kept, "cafe\u0301 au lait, please")


def test_the_same_password_of_two_people_is_kept_differently() -> None:
    one, two = (hashed_password("the same sentence", bytes([salt]) * 16, CHEAP) for salt in (1, 2))

    assert one != two


def test_finding_out_that_nobody_has_a_name_costs_what_a_password_costs() -> None:
    kept = hashed_password("the same sentence", bytes(16))

    assert kept.split("$")[:4] == NOBODYS.split("$")[:4]
    assert (len(kept), COST.memory_kib) == (len(NOBODYS), 65_536)
    assert not is_password(NOBODYS, "")
