"""What every guard of the root key keeps to: a passphrase, and the transit engine of a real OpenBao."""

from __future__ import annotations

import socket
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import hvac
import msgspec
import pytest
import stamina

from dissonance.adapters.keys.documents import GuardName, guard_of
from dissonance.adapters.keys.folder import KEY_ENCRYPTION, SIGNING, KeyFolder
from dissonance.adapters.keys.guards import Guards
from dissonance.adapters.keys.passphrase import PassphraseGuard
from dissonance.adapters.keys.transit import TransitGuard, TransitPlace
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.errors import ConfigurationError, DataFolderError, EngineUnavailable, SealBroken
from dissonance.ports.breaker import Breaker, BreakerState
from dissonance.ports.key_guard import KeyGuard

ROOT_KEY = b"\x05" * 32
TOKEN = "root-of-the-tests"
QUICK_N = 2**4


class GuardCase(NamedTuple):
    """`other`: of the same kind, with another secret."""

    name: GuardName
    guard: KeyGuard
    other: KeyGuard


@contextmanager
def openbao(log: Path) -> Iterator[str]:
    """The real server, in memory; its address."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [Path(sysconfig.get_path("scripts")) / "bao", "server", "-dev", "-dev-no-store-token"]
    options = [f"-dev-root-token-id={TOKEN}", f"-dev-listen-address={address}"]
    with log.open("wb") as file, subprocess.Popen([*command, *options], stdout=file, stderr=file) as server:
        try:
            client = hvac.Client(url=f"http://{address}", token=TOKEN)
            for attempt in stamina.retry_context(on=Exception, attempts=None, timeout=60, wait_max=0.2):
                with attempt:
                    client.sys.enable_secrets_engine("transit")
            for name in ("dissonance", "other"):
                client.secrets.transit.create_key(name)
            yield f"http://{address}"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with openbao(tmp_path_factory.mktemp("bao") / "log") as address:
        yield address


def transit_guard(
    address: str, key: str = "dissonance", token: str = TOKEN, breaker: Breaker | None = None
) -> KeyGuard:
    return TransitGuard(TransitPlace(address, token, "transit", key), breaker)


def passphrase_guard(passphrase: str) -> KeyGuard:
    return PassphraseGuard(passphrase, SeededRandomness(len(passphrase)), QUICK_N)


@pytest.fixture(params=[GuardName.PASSPHRASE, GuardName.TRANSIT])
def case(request: pytest.FixtureRequest) -> GuardCase:
    if request.param is GuardName.PASSPHRASE:
        return GuardCase(
            request.param, passphrase_guard("right horse battery"), passphrase_guard("wrong horse battery")
        )
    address = request.getfixturevalue("bao")
    return GuardCase(request.param, transit_guard(address), transit_guard(address, "other"))


def test_guard_gives_back_what_it_was_given_and_its_document_holds_nothing_of_it(case: GuardCase) -> None:
    document = case.guard.protect(ROOT_KEY)
    assert guard_of(document) is case.name
    assert ROOT_KEY not in document
    assert case.guard.open(document) == ROOT_KEY
    assert case.guard.protect(ROOT_KEY) != document


def test_renewed_document_is_another_one_and_both_open(case: GuardCase) -> None:
    document = case.guard.protect(ROOT_KEY)
    renewed = case.guard.renew(document)
    assert renewed != document
    assert case.guard.open(renewed) == ROOT_KEY == case.guard.open(document)


@pytest.mark.parametrize("position", [10, -12])
def test_changed_document_is_refused(case: GuardCase, position: int) -> None:
    document = bytearray(case.guard.protect(ROOT_KEY))
    document[position] ^= 1
    with pytest.raises((SealBroken, ConfigurationError)):
        case.guard.open(bytes(document))


def test_key_folder_moves_to_a_guard_and_back_and_stays_the_same(case: GuardCase, tmp_path: Path) -> None:
    guards = Guards({case.name: lambda: case.guard})
    plain = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1))
    secrets = [(plain.folder / SIGNING).read_bytes(), plain.nats_password.encode(), plain.key_encryption_key]
    guarded = plain.protect(guards, case.name, SeededRandomness(2))
    assert guarded == msgspec.structs.replace(plain, guard=case.name)
    assert KeyFolder.open_or_create(plain.folder, SeededRandomness(3), guards) == guarded
    at_rest = b"".join(path.read_bytes() for path in plain.folder.iterdir())
    assert not [each for each in secrets if each in at_rest]
    guarded.renew(guards)
    assert KeyFolder.open_or_create(plain.folder, SeededRandomness(3), guards) == guarded
    assert guarded.protect(guards, GuardName.FILE, SeededRandomness(4)) == plain
    assert KeyFolder.open_or_create(plain.folder, SeededRandomness(5)) == plain


def test_new_key_folder_is_never_there_in_plain(case: GuardCase, tmp_path: Path) -> None:
    guards = Guards({case.name: lambda: case.guard}, case.name)
    made = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1), guards)
    assert made.guard is case.name
    assert (made.folder / KEY_ENCRYPTION).read_bytes() != made.key_encryption_key
    assert b"PRIVATE KEY" not in (made.folder / SIGNING).read_bytes()
    assert KeyFolder.open_or_create(made.folder, SeededRandomness(2), guards) == made


def test_other_secret_opens_nothing_and_changes_nothing(case: GuardCase, tmp_path: Path) -> None:
    guards = Guards({case.name: lambda: case.guard}, case.name)
    made = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1), guards)
    before = {path.name: path.read_bytes() for path in made.folder.iterdir()}
    if case.name is GuardName.PASSPHRASE:  # a document of OpenBao names its key itself
        with pytest.raises(SealBroken, match="nothing was changed"):
            KeyFolder.open_or_create(made.folder, SeededRandomness(2), Guards({case.name: lambda: case.other}))
    with pytest.raises(ConfigurationError, match=f"guarded by {case.name.value}"):
        KeyFolder.open_or_create(made.folder, SeededRandomness(2))
    assert {path.name: path.read_bytes() for path in made.folder.iterdir()} == before


def test_ciphertext_of_another_transit_key_is_refused(bao: str) -> None:
    foreign = msgspec.json.decode(transit_guard(bao, "other").protect(ROOT_KEY))
    document = msgspec.json.encode({**foreign, "key": "dissonance"})
    with pytest.raises(SealBroken, match="nothing was changed"):
        transit_guard(bao).open(document)


@pytest.mark.parametrize(
    "refused",
    [lambda bao: transit_guard(bao, token="nobody's"), lambda bao: transit_guard(bao, "no-such-key")],
)
def test_guard_that_refuses_us_says_what_is_missing(bao: str, refused: Callable[[str], KeyGuard]) -> None:
    document = transit_guard(bao).protect(ROOT_KEY)
    foreign = msgspec.json.encode({**msgspec.json.decode(document), "key": "no-such-key"})
    with pytest.raises((ConfigurationError, SealBroken)):
        refused(bao).open(foreign)


def test_guard_that_is_away_is_unavailable_and_not_asked_again_at_once(tmp_path: Path) -> None:
    clock = FixedClock()
    breaker = Breaker("OpenBao", clock, failures=2, rest_s=1.0)
    with openbao(tmp_path / "log") as address:
        guard = transit_guard(address, breaker=breaker)
        document = guard.protect(ROOT_KEY)
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match="does not answer"):
            guard.open(document)
    assert breaker.state is BreakerState.OPEN
    with pytest.raises(EngineUnavailable, match="a moment ago"):
        guard.open(document)


def test_plain_key_folder_has_nothing_to_renew(tmp_path: Path) -> None:
    plain = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1))
    with pytest.raises(DataFolderError, match="nobody guards"):
        plain.renew(Guards())


def test_short_passphrase_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="fewer than 12"):
        passphrase_guard("short")
