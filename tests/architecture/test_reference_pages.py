"""The pages on policy and HTTP API say what the code does."""

from __future__ import annotations

import asyncio
import re

import pytest

from dissonance.cli import EXIT_INTERRUPTED, EXIT_UNEXPECTED, EXIT_USAGE
from dissonance.cli.decisions_replay import OTHERWISE
from dissonance.contracts.policy import Policy
from dissonance.errors import DissonanceError
from dissonance.security.grants import default_grants
from dissonance.security.permissions import Permission
from support.source import DOCS
from support.walk import Walk


def cells(page: str) -> dict[str, list[str]]:
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {first: rest.split(" | ") for first, rest in found}


@pytest.mark.parametrize("name", Policy.__struct_fields__)
def test_policy_page_states_every_limit_and_its_default(name: str) -> None:
    assert cells("policy.md")[name][1] == f"`{getattr(Policy(), name)}`"


def test_policy_page_names_no_limit_that_there_is_not() -> None:
    assert cells("policy.md").keys() == set(Policy.__struct_fields__)


def test_api_page_says_which_problem_ends_a_command_with_which_code() -> None:
    """Beside each code those problems whose more general one, if there is one, has another."""
    rows = re.findall(r"^\| (\d+) \| .* \| (.*?) ?\|$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    stated = {slug: int(code) for code, listed in rows for slug in re.findall(r"`([^`]+)`", listed)}
    assert stated == codes_of(DissonanceError)
    assert {EXIT_USAGE, OTHERWISE, EXIT_UNEXPECTED, EXIT_INTERRUPTED} <= {int(code) for code, _ in rows}


def codes_of(error: type[DissonanceError], above: int | None = None) -> dict[str, int]:
    found = {} if error.exit_code == above else {error.slug: error.exit_code}
    for kind in error.__subclasses__():
        found |= codes_of(kind, error.exit_code)
    return found


def test_api_page_lists_exactly_the_routes_with_the_grants_that_open_them() -> None:
    stated = {route: row[1] for route, row in cells("api.md").items()}
    there = {
        f"{method} {route.path}": ", ".join(
            grant for grant, permissions in default_grants().items() if route.declaration.permission in permissions
        )
        if route.declaration.permission is not Permission.PUBLIC
        else "public"
        for route in asyncio.run(Walk.open()).app.protected_routes
        for method in route.methods
    }
    assert stated == there
