"""Explicit lists agree with what they list: errors, roles, events, upcasts."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest
import typer

from dissonance.cli import app
from dissonance.cli.access import leaves
from dissonance.cli.permissions import COMMANDS
from dissonance.contracts.codec import UPCASTS
from dissonance.contracts.consumers import CONSUMERS
from dissonance.contracts.events import EVENT_TYPES, Event
from dissonance.contracts.topics import EventKind
from dissonance.errors import DissonanceError
from dissonance.errors_by_slug import ROOTS, errors_by_slug
from dissonance.roles.listed import ROLES
from dissonance.security.grants import default_grants
from dissonance.security.permissions import OF_THE_SYSTEM, Permission
from support.source import PACKAGE
from support.walk import Walk


def tree_of(root: type) -> list[type]:
    return [root, *(found for child in root.__subclasses__() for found in tree_of(child))]


ERRORS = tree_of(DissonanceError)
MODULES = {root.__module__ for root in ROOTS}


def test_every_error_has_a_slug_of_its_own() -> None:
    """Problem types and logs are told apart by it (RFC 9457, section 3.1.1)."""
    shared = [slug for slug, count in Counter(error.slug for error in ERRORS).items() if count > 1]

    assert shared == []


@pytest.mark.parametrize("error", ERRORS)
def test_error_is_fit_for_a_problem_body(error: type[DissonanceError]) -> None:
    assert error.__module__ in MODULES
    assert errors_by_slug()[error.slug] is error
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.slug)
    assert 400 <= error.status <= 599
    assert 1 <= error.exit_code <= 63  # above are the shell's own
    assert error.title[0].isupper()


def test_list_of_roles_is_the_folders_of_roles() -> None:
    packages = sorted(path.parent.name for path in (PACKAGE / "roles").glob("*/__init__.py"))

    assert sorted(getattr(role, "name", role) for role in ROLES) == packages
    assert packages


def test_every_kind_has_one_type() -> None:
    kinds = [event.KIND for event in tree_of(Event) if event is not Event]

    assert sorted(kinds) == sorted(EventKind)
    assert {kind: event.KIND for kind, event in EVENT_TYPES.items()} == {kind: kind for kind in EventKind}


@pytest.mark.parametrize("kind", EventKind)
def test_every_older_version_of_an_event_has_its_upcast(kind: EventKind) -> None:
    older = range(1, EVENT_TYPES[kind].SCHEMA_VERSION)

    assert sorted(version for of, version in UPCASTS if of is kind) == list(older)


@pytest.mark.parametrize("permission", Permission)
def test_permission_follows_its_grammar(permission: Permission) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*:(read|write)", permission.value)


def test_grants_of_people_and_services_are_there() -> None:
    people = {"client", "viewer", "labeller", "scientist", "operator", "auditor", "admin"}

    assert people | {f"{role}-service" for role in ROLES} <= set(default_grants())


def test_every_command_declares_its_permission_and_no_other_is_declared() -> None:
    there = dict(leaves(typer.main.get_command(app)))

    assert COMMANDS.keys() == there.keys()
    for path, right in COMMANDS.items():
        parameters = {parameter.name for parameter in there[path].params}
        assert {right.task, right.folder} - {None} <= parameters, path
        assert right.permission is not Permission.PUBLIC
        assert right.task is None or right.permission not in OF_THE_SYSTEM, path


MAKES_CREDENTIALS = {f"token {kind}" for kind in ("create", "key create", "client create")} | {
    f"user {verb}" for verb in ("add", "password", "remove")
}
"""What is named is whom they are for, or the tasks that they open."""


def test_a_command_about_a_task_is_asked_for_the_right_to_that_task() -> None:
    for path, command in leaves(typer.main.get_command(app)):
        named = {parameter.name for parameter in command.params if parameter.name in ("task", "name")}
        if named and path not in MAKES_CREDENTIALS | {"audit"}:
            assert COMMANDS[path].task in named, path


def test_a_route_without_a_task_in_its_address_is_public_or_of_the_system_or_asks_again() -> None:
    """The last find the task elsewhere, or say nothing of any."""
    routes = asyncio.run(Walk.open()).app.protected_routes
    others = {
        route.path
        for route in routes
        if "{task}" not in route.path and route.declaration.permission not in OF_THE_SYSTEM | {Permission.PUBLIC}
    }

    assert others == {"/v2", "/version", "/invocations"}


def test_every_method_of_grpc_declares_its_permission() -> None:
    services = [built.grpc for built in asyncio.run(Walk.open()).at_work.values() if built.grpc is not None]

    assert services
    for service in services:
        for name, method in service.methods.items():
            assert isinstance(method.permission, Permission)
            assert (method.permission is Permission.PUBLIC) == (name in {"ServerLive", "ServerReady"})


def test_every_permission_is_in_some_grant_but_the_public_one() -> None:
    granted = frozenset[Permission]().union(*default_grants().values())

    assert granted == frozenset(Permission) - {Permission.PUBLIC}


def test_list_of_consumers_is_what_the_roles_consume() -> None:
    async def consumed() -> dict[str, tuple[EventKind, ...]]:
        walk = await Walk.open()
        return {work.consumer: work.kinds for work in walk.works()}

    assert asyncio.run(consumed()) == CONSUMERS
