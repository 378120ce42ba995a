"""Who runs a command, and whether they may: decided before the command does anything (ADR 53).

With `DISSONANCE_TOKEN`, or after `dissonance login`, it is the holder of that token, who may do what it permits, and no
more. Without, or with `--as-owner`, it is the account of the operating system: whoever can read the key folder owns the
installation, so what else an account may do is for the file system to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import msgspec
from typer._click.core import Command  # Typer's copy of Click has no public name for it
from typer.core import TyperGroup

from dissonance.adapters.looking import is_folder
from dissonance.cli import as_owner
from dissonance.cli.acting import account, act_as
from dissonance.cli.kept_login import current_token, is_logged_in, kept_tokens
from dissonance.cli.options import variables_of
from dissonance.cli.output import error_console
from dissonance.cli.permissions import COMMANDS, Right
from dissonance.cli.recording import UNRECORDED, record
from dissonance.errors import (
    AccessError,
    ConfigurationError,
    EngineUnavailable,
    Forbidden,
    IssuerUnavailable,
    Unauthenticated,
)
from dissonance.security.permissions import ANY_TASK, Permission
from dissonance.security.refusals import Refusal, refused
from dissonance.settings import Settings, read_settings

if TYPE_CHECKING:
    from dissonance.security.identity import Identity

BEFORE_THE_STORE = frozenset({Permission.ENGINES, Permission.SET_ENGINES})
"""What starts the store, stops it, or looks whether it runs, has to do without its list of what is revoked."""


def protect(program: Command, rights: Mapping[str, Right]) -> Command:
    """The program, of which each command asks first. One that has no right in `rights` is refused to everybody."""
    for path, command in leaves(program):
        assert command.callback is not None
        command.callback = _asking_first(command.callback, path, rights)
        if path in rights and not rights[path].own:
            as_owner.add_option(command)
    return program


def leaves(command: Command, path: str = "") -> Iterator[tuple[str, Command]]:
    """Every command that does something, by its words."""
    if not isinstance(command, TyperGroup):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, f"{path} {name}".strip())


def _asking_first(callback: Callable[..., Any], path: str, rights: Mapping[str, Right]) -> Callable[..., Any]:
    @wraps(callback)
    def asking_first(**given: Any) -> Any:
        right = rights.get(path)
        if right is None:
            raise Forbidden(f"'{path}' declares no permission", where="command", fix="report it: it is a defect")
        owner = given.pop(as_owner.NAME, False)
        noted = _ask(path, right, given, owner=owner)
        try:
            return callback(**given)
        finally:
            if not noted:  # what made the installation is the first that its trail knows
                _ask(path, right, given, owner=owner)
            act_as("")

    return asking_first


def _ask(path: str, right: Right, given: Mapping[str, Any], *, owner: bool) -> bool:
    """Whether it was recorded. Raises as `require_right` does; that is recorded, too."""
    what = f"{path} {as_owner.OPTION}" if owner else path
    folder = given.get(right.folder) if right.folder else None
    settings = read_settings(variables_of(folder or None))
    task = given.get(right.task) if right.task else None
    who, lists_tasks = account() if owner else "", True
    try:
        if owner:
            as_owner.require_owner(settings)
        elif not right.own:
            settings = as_logged_in(settings, right.permission)
        who = "" if settings.token else account()
        if settings.token:
            identity = holder(settings)
            who = identity.name
            require_right(identity, right, task)
            require_unrevoked(identity, settings, right.permission)
            lists_tasks = may_list_tasks(identity)
    except (AccessError, ConfigurationError) as error:  # the second of a token beside `--as-owner`
        record(settings, what, right.permission, who=who, task=task, reason=error.slug)
        raise
    act_as(who, lists_tasks=lists_tasks)
    return record(settings, what, right.permission, who=who, task=task, reason="")


def as_logged_in(settings: Settings, permission: Permission) -> Settings:
    """With the token of who logged in on this data folder, where there is one and `DISSONANCE_TOKEN` names no other.

    Raises as `current_token` does; but what anybody may look at, and no trail is kept of, is not refused for an issuer
    that is away, and it is said as whom it is looked at.
    """
    from dissonance.adapters.clock import SystemClock

    if settings.token or not is_logged_in():
        return settings
    try:
        token = current_token(settings, kept_tokens(), SystemClock().now_us() / 1e6)
    except IssuerUnavailable as error:
        if permission not in UNRECORDED:
            raise
        error_console.print(f"{error.what}; looking as '{account()}'.", markup=False, soft_wrap=True)
        return settings
    return msgspec.structs.replace(settings, token=token)


def require_right(identity: Identity, right: Right, task: str | None) -> None:
    """Raises `Forbidden` for a token that does not reach so far. `task` None: every task."""
    from dissonance.web.admission import require

    require(identity, right.permission, ANY_TASK if task is None else task)


def may_list_tasks(identity: Identity) -> bool:
    """Whether `dissonance task list` would name them all."""
    return identity.may(COMMANDS["task list"].permission) and identity.may_touch(ANY_TASK)


def require_unrevoked(identity: Identity, settings: Settings, permission: Permission) -> None:
    """Raises `Unauthenticated` for a token that was revoked, `EngineUnavailable` where that cannot be asked: of all
    commands only those of `BEFORE_THE_STORE` go on then."""
    from dissonance.adapters.clock import SystemClock
    from dissonance.adapters.postgres.revoked import RevocationReading
    from dissonance.bootstrap import addresses_of

    try:
        reading = RevocationReading(addresses_of(settings).database_url)
        try:
            listed = reading.revoked(SystemClock().now_us())
        finally:
            reading.close()
    except EngineUnavailable:
        if permission in BEFORE_THE_STORE:
            return
        raise
    if listed.refuses(identity):
        raise refused(Refusal.REVOKED)


def holder(settings: Settings) -> Identity:
    """Of the token in the settings. Raises `Unauthenticated` for one that is not valid."""
    from dissonance.adapters.clock import SystemClock, SystemRandomness
    from dissonance.bootstrap_keys import open_key_folder
    from dissonance.security.tokens import LocalIssuer, public_key_pem
    from dissonance.security.verifier import TokenVerifier

    if not is_folder(settings.keys_folder):
        raise Unauthenticated(
            "there is no key here that the token could be of", where=str(settings.keys_folder), fix="dissonance up"
        )
    local = LocalIssuer(
        public_key_pem(open_key_folder(settings, SystemRandomness()).issuer_private_key_pem),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
    )
    return TokenVerifier([local], clock=SystemClock()).verify(settings.token)
