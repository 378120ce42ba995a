"""What a command may do, with `DISSONANCE_TOKEN` and without."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import typer

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.keys.kept_tokens import KeptLogin, KeptTokens
from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.adapters.spool.spool import Spool
from dissonance.cli import run
from dissonance.cli.access import holder, may_list_tasks, require_right
from dissonance.cli.acting import account, acting_as, lists_tasks
from dissonance.cli.kept_login import login_folder
from dissonance.cli.permissions import COMMANDS, Right
from dissonance.contracts.accesses import Access, Outcome, read_batch
from dissonance.drills.pentest.forgeries import FORGED, Forger, Kind
from dissonance.errors import (
    ConfigurationError,
    DataFolderError,
    EngineUnavailable,
    Forbidden,
    IssuerUnavailable,
    Unauthenticated,
)
from dissonance.security.identity import Identity
from dissonance.security.permissions import Permission
from dissonance.settings import read_settings


@pytest.fixture
def forger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forger:
    keys = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1))
    monkeypatch.setenv("DISSONANCE_DATA", str(tmp_path))
    return Forger(
        keys.issuer_private_key_pem,
        issuer="dissonance-local",
        audience="dissonance",
        now_s=SystemClock().now_us() // 1_000_000,
    )


def identity_of(monkeypatch: pytest.MonkeyPatch, token: str | None) -> Identity:
    monkeypatch.setenv("DISSONANCE_TOKEN", token or "")
    return holder(read_settings(os.environ))


def test_a_command_does_what_the_grants_of_its_token_permit_and_nothing_else(
    forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for grant, permissions in forger.grants.items():
        identity = identity_of(monkeypatch, forger.token(Kind.RIGHT, grant, ("*",)))
        assert identity.name == f"walker-{grant}"
        for right in COMMANDS.values():
            with nullcontext() if right.permission in permissions else pytest.raises(Forbidden):
                require_right(identity, right, "toy" if right.task else None)


def test_a_token_for_one_task_does_nothing_to_another_or_to_all(
    forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = identity_of(monkeypatch, forger.token(Kind.RIGHT, "admin", ("toy",)))
    for right in COMMANDS.values():
        with pytest.raises(Forbidden):
            require_right(identity, right, "another" if right.task else None)
        if right.task is not None:
            require_right(identity, right, "toy")


@pytest.mark.parametrize(
    ("grant", "tasks", "may"),
    [
        ("viewer", ("*",), True),
        ("viewer", ("toy",), False),
        ("admin", ("toy", "another"), False),
        ("client", ("*",), False),
    ],
)
def test_tasks_are_named_only_to_a_token_that_may_list_them_all(
    forger: Forger, monkeypatch: pytest.MonkeyPatch, grant: str, tasks: tuple[str, ...], may: bool
) -> None:
    assert may_list_tasks(identity_of(monkeypatch, forger.token(Kind.RIGHT, grant, tasks))) is may


def test_the_owner_of_the_keys_may_list_tasks_while_a_command_runs(forger: Forger) -> None:
    seen: list[bool] = []
    assert run([], program_of(lambda: seen.append(lists_tasks())), {"": Right(Permission.SET_ENGINES)}) == 0
    assert (seen, lists_tasks()) == ([True], False)


@pytest.mark.parametrize("kind", [kind for kind in FORGED if kind not in (Kind.NONE, Kind.REVOKED)])
def test_a_forged_token_opens_no_command(forger: Forger, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    with pytest.raises(Unauthenticated):
        identity_of(monkeypatch, forger.token(kind, "admin", ("*",)))


def test_a_token_where_there_are_no_keys_is_refused_and_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISSONANCE_DATA", str(tmp_path / "empty"))
    with pytest.raises(Unauthenticated, match="no key here"):
        identity_of(monkeypatch, "a.b.c")
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_is_refused_does_nothing_and_ends_with_four(
    forger: Forger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISSONANCE_TOKEN", forger.token(Kind.RIGHT, "viewer", ("*",)) or "")
    assert run(["models", "promote", "toy", "--version", "1"]) == 4
    assert "models:write" in capsys.readouterr().err


def test_a_command_that_was_forgotten_in_the_list_is_refused_to_everybody(capsys: pytest.CaptureFixture[str]) -> None:
    program = typer.Typer()

    @program.command()
    def forgotten() -> None:
        raise AssertionError("it was called")

    assert run([], program, {}) == 4
    assert "declares no permission" in capsys.readouterr().err


def test_help_is_free(
    forger: Forger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISSONANCE_TOKEN", "nonsense")
    assert run(["models", "promote", "--help"]) == 0
    assert recorded(tmp_path) == []


def closed(path: Path) -> Path:
    """The file in a form that nobody can read, root neither."""
    path.unlink()
    path.symlink_to(path.name)
    return path


NOT_TO_BE_ENTERED = "a" * 300
"""A name at which the system refuses to look, whoever asks: too long for it."""


def recorded(folder: Path) -> list[Access]:
    """What commands left for the next process to take in, in no order."""
    spool = Spool(folder / "spool" / "accesses", "reader", 10**6)
    spool.take_over()
    found: list[Access] = []
    while (chunk := spool.oldest(10**6)) is not None:
        for payload in chunk.payloads:
            batch = read_batch(payload)
            assert batch is not None
            found += batch.accesses
        spool.drained(chunk)
    spool.close()
    return found


def program_of(command: Callable[[], None]) -> typer.Typer:
    program = typer.Typer()
    program.command()(command)
    return program


def test_a_command_is_recorded_before_it_does_anything(
    forger: Forger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Access] = []
    assert run([], program_of(lambda: seen.extend(recorded(tmp_path))), {"": Right(Permission.SET_ENGINES)}) == 0
    (access,) = seen
    assert (access.who, access.permission, access.outcome) == (account(), "engines:write", Outcome.ALLOWED)
    assert recorded(tmp_path) == []


def test_a_command_that_is_refused_is_recorded_with_who_and_why(
    forger: Forger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token in (forger.token(Kind.RIGHT, "viewer", ("*",)), forger.token(Kind.ALG_NONE, "admin", ("*",))):
        monkeypatch.setenv("DISSONANCE_TOKEN", token or "")
        assert run(["models", "rollback", "toy"]) == 4
    told = {(each.who, each.what, each.task, each.outcome, each.reason) for each in recorded(tmp_path)}
    assert told == {
        ("walker-viewer", "dissonance models rollback", "toy", Outcome.DENIED, "forbidden"),
        ("", "dissonance models rollback", "toy", Outcome.DENIED, "unauthenticated"),
    }


def test_what_makes_the_installation_is_the_first_that_its_trail_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISSONANCE_DATA", str(tmp_path))
    makes = program_of(lambda: (tmp_path / "keys").mkdir())
    assert run([], makes, {"": Right(Permission.SET_ENGINES, folder=None)}) == 0
    assert [each.permission for each in recorded(tmp_path)] == ["engines:write"]


def test_where_there_is_no_installation_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISSONANCE_DATA", str(tmp_path))
    assert run([], program_of(lambda: None), {"": Right(Permission.SET_ENGINES, folder=None)}) == 0
    assert list(tmp_path.iterdir()) == []


def test_looking_whether_engines_run_is_not_recorded(
    forger: Forger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run([], program_of(lambda: None), {"": Right(Permission.ENGINES, folder=None)}) == 0
    assert recorded(tmp_path) == []


def test_while_the_store_cannot_be_asked_what_is_revoked_a_token_only_starts_it(
    forger: Forger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISSONANCE_TOKEN", forger.token(Kind.RIGHT, "admin", ("*",)) or "")
    assert run([], program_of(lambda: None), {"": Right(Permission.SET_ENGINES, folder=None)}) == 0
    assert run([], program_of(lambda: None), {"": Right(Permission.TOKENS, folder=None)}) == EngineUnavailable.exit_code
    assert "dissonance up" in capsys.readouterr().err


@pytest.fixture
def login_of_before(forger: Forger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptTokens:
    """Somebody logged in here; the token has expired, and nobody answers where another could be had."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    tokens = KeptTokens(login_folder(), None)
    expired = forger.token(Kind.EXPIRED, "viewer", ("*",)) or ""
    tokens.keep(str(tmp_path / "keys"), KeptLogin(expired, "dsr_x", "http://127.0.0.1:9"))
    return tokens


CHANGES = {"": Right(Permission.SET_ENGINES, folder=None)}
LOOKS = {"": Right(Permission.ENGINES, folder=None)}


def test_with_the_issuer_away_a_login_that_has_expired_runs_nothing_as_somebody_else(
    login_of_before: KeptTokens, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[str] = []
    assert run([], program_of(lambda: called.append(acting_as())), CHANGES) == IssuerUnavailable.exit_code
    assert called == []
    assert "--as-owner" in capsys.readouterr().err


def test_with_the_issuer_away_the_owner_goes_on_and_it_is_said_and_recorded_as_whom(
    login_of_before: KeptTokens, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[str] = []
    assert run(["--as-owner"], program_of(lambda: called.append(acting_as())), CHANGES) == 0
    assert called == [account()]
    assert capsys.readouterr().err.startswith(f"As '{account()}', who may read the keys in {tmp_path / 'keys'}, not as")
    assert [(each.who, each.what) for each in recorded(tmp_path)] == [(account(), "dissonance  --as-owner")]
    assert login_of_before.login(str(tmp_path / "keys")).refresh_token == "dsr_x"


def test_with_the_issuer_away_it_can_still_be_seen_whether_the_engines_run(
    login_of_before: KeptTokens, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[str] = []
    assert run([], program_of(lambda: called.append(acting_as())), LOOKS) == 0
    assert called == [account()]
    assert f"Connection refused; looking as '{account()}'." in capsys.readouterr().err


def test_an_account_that_finds_the_key_folder_and_may_not_read_the_root_key_in_it_is_no_owner(
    forger: Forger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[str] = []
    root_key = closed(tmp_path / "keys" / "key-encryption.key")
    assert run(["--as-owner"], program_of(lambda: called.append(acting_as())), CHANGES) == Forbidden.exit_code
    assert called == []
    said = capsys.readouterr().err
    assert str(root_key) in said and "who may read" not in said
    assert [(each.who, each.outcome) for each in recorded(tmp_path)] == [(account(), Outcome.DENIED)]


def test_where_there_are_no_keys_yet_the_owner_is_not_said_to_read_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISSONANCE_DATA", str(tmp_path))
    (tmp_path / "keys").mkdir()
    assert run(["--as-owner"], program_of(lambda: None), CHANGES) == 0
    assert capsys.readouterr().err == f"As '{account()}', not as anybody who is logged in.\n"


def test_a_token_and_the_owner_at_once_are_refused_and_that_is_recorded(
    forger: Forger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISSONANCE_TOKEN", forger.token(Kind.RIGHT, "admin", ("*",)) or "")
    assert run(["--as-owner"], program_of(lambda: None), CHANGES) == ConfigurationError.exit_code
    assert "unset DISSONANCE_TOKEN" in capsys.readouterr().err
    (access,) = recorded(tmp_path)
    assert (access.who, access.what) == (account(), "dissonance  --as-owner")
    assert (access.outcome, access.reason) == (Outcome.DENIED, "configuration")


@pytest.mark.parametrize("arguments", [["models", "list", "toy"], ["down"], ["token", "create", "--grant", "client"]])
@pytest.mark.parametrize("more", [[], ["--as-owner"]])
def test_a_data_folder_that_cannot_be_entered_is_named_with_the_way_out(
    arguments: list[str], more: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISSONANCE_DATA", f"/tmp/{NOT_TO_BE_ENTERED}")
    assert run([*arguments, *more]) == DataFolderError.exit_code
    said = capsys.readouterr().err
    assert NOT_TO_BE_ENTERED in said and "--data" in said


def test_a_token_for_a_data_folder_that_cannot_be_entered_is_not_said_to_be_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISSONANCE_DATA", f"/tmp/{NOT_TO_BE_ENTERED}")
    with pytest.raises(DataFolderError):
        identity_of(monkeypatch, "a.b.c")


def test_what_a_command_changes_is_by_the_holder_of_its_token(forger: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISSONANCE_TOKEN", forger.token(Kind.RIGHT, "admin", ("*",)) or "")
    called: list[str] = []
    assert run([], program_of(lambda: called.append(acting_as())), CHANGES) == 0
    assert called == ["walker-admin"]
