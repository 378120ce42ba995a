"""What keeps parts of key-encryption keys holds to: the double in memory, and the key folder, guarded or not."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from dissonance.adapters.keys.documents import GuardName
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.keys.guards import Guards
from dissonance.adapters.keys.parts import FolderKeyParts
from dissonance.adapters.keys.passphrase import PassphraseGuard
from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.adapters.memory.key_parts import MemoryKeyParts
from dissonance.errors import DataFolderError, KeyPartMissing, SealBroken
from dissonance.ports.key_parts import KeyParts

ONE, OTHER, THIRD = bytes([1]) * 16, bytes([2]) * 16, bytes([3]) * 16
PART = b"thirty-two bytes that are secret"
QUICK_N = 2**4


def guards_of(name: GuardName) -> Guards:
    guard = PassphraseGuard("right horse battery", SeededRandomness(1), QUICK_N)
    return Guards({GuardName.PASSPHRASE: lambda: guard}, name)


def folder_at(path: Path, name: GuardName = GuardName.FILE) -> KeyFolder:
    return KeyFolder.open_or_create(path, SeededRandomness(2), guards_of(name))


def parts_in(keys: KeyFolder) -> FolderKeyParts:
    return FolderKeyParts(keys.folder, keys.key_encryption_key, SeededRandomness(3))


def file_of(keys: KeyFolder, part_id: bytes) -> Path:
    return keys.folder / "versions" / part_id.hex()


def in_memory(_: Path) -> KeyParts:
    return MemoryKeyParts()


def in_a_folder(path: Path) -> KeyParts:
    return parts_in(folder_at(path / "keys"))


def under_a_passphrase(path: Path) -> KeyParts:
    return parts_in(folder_at(path / "keys", GuardName.PASSPHRASE))


@pytest.fixture(params=[in_memory, in_a_folder, under_a_passphrase])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> KeyParts:
    made: Callable[[Path], KeyParts] = request.param
    return made(tmp_path)


def test_part_that_was_kept_is_there_until_it_is_destroyed_and_no_other_is(parts: KeyParts) -> None:
    parts.keep(ONE, PART)
    parts.keep(OTHER, PART[::-1])
    assert (parts.read(ONE, 1), parts.read(OTHER, 2)) == (PART, PART[::-1])
    parts.destroy(ONE)
    assert (parts.has(ONE), parts.has(OTHER)) == (False, True)
    with pytest.raises(KeyPartMissing, match="1"):
        parts.read(ONE, 1)
    parts.destroy(ONE)
    assert parts.read(OTHER, 2) == PART[::-1]


def test_parts_that_are_not_named_are_swept_and_no_other(parts: KeyParts) -> None:
    assert (parts.unneeded([ONE]), parts.sweep([ONE])) == (0, 0)
    for part_id in (ONE, OTHER, THIRD):
        parts.keep(part_id, PART)
    assert parts.unneeded([ONE]) == 2
    assert parts.sweep([ONE]) == 2
    assert [parts.has(each) for each in (ONE, OTHER, THIRD)] == [True, False, False]
    assert (parts.read(ONE, 1), parts.unneeded([ONE])) == (PART, 0)


def test_part_that_never_was_is_missing_and_can_be_destroyed(parts: KeyParts) -> None:
    assert not parts.has(ONE)
    parts.destroy(ONE)
    with pytest.raises(KeyPartMissing, match="7"):
        parts.read(ONE, 7)


@pytest.mark.parametrize("guard", [GuardName.FILE, GuardName.PASSPHRASE])
def test_file_of_a_part_is_private_and_holds_nothing_in_plain(tmp_path: Path, guard: GuardName) -> None:
    keys = folder_at(tmp_path / "keys", guard)
    parts_in(keys).keep(ONE, PART)
    path = file_of(keys, ONE)
    assert [each.name for each in path.parent.iterdir()] == [ONE.hex()]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent, path)] == [0o700, 0o600]
    assert PART not in path.read_bytes()


def test_missing_part_names_its_version_and_its_file_and_the_folder_stays_as_it_is(tmp_path: Path) -> None:
    keys = folder_at(tmp_path / "keys")
    with pytest.raises(KeyPartMissing, match="key-encryption key 3") as caught:
        parts_in(keys).read(ONE, 3)
    assert caught.value.where == str(file_of(keys, ONE))
    assert "restore" in caught.value.fix
    assert not (keys.folder / "versions").exists()


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-1], lambda content: bytes(len(content)), lambda _: b"", lambda _: bytes(32)],
)
def test_damaged_part_is_refused_by_the_name_of_its_file(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    keys = folder_at(tmp_path / "keys")
    parts_in(keys).keep(ONE, PART)
    path = file_of(keys, ONE)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SealBroken) as caught:
        parts_in(keys).read(ONE, 1)
    assert caught.value.where == str(path) and parts_in(keys).has(ONE)


def test_part_of_another_version_does_not_open_in_its_place(tmp_path: Path) -> None:
    keys = folder_at(tmp_path / "keys")
    parts_in(keys).keep(ONE, PART)
    file_of(keys, ONE).rename(file_of(keys, OTHER))
    with pytest.raises(SealBroken):
        parts_in(keys).read(OTHER, 2)


def test_part_opens_after_the_root_key_went_to_a_guard_and_came_back(tmp_path: Path) -> None:
    keys, guards = folder_at(tmp_path / "keys"), guards_of(GuardName.PASSPHRASE)
    parts_in(keys).keep(ONE, PART)
    guarded = keys.protect(guards, GuardName.PASSPHRASE, SeededRandomness(4))
    parts_in(guarded).keep(OTHER, PART)
    plain = guarded.protect(guards, GuardName.FILE, SeededRandomness(5))
    assert parts_in(plain).read(ONE, 1) == PART == parts_in(plain).read(OTHER, 2)


def test_destroyed_part_is_overwritten_where_it_lay(tmp_path: Path) -> None:
    keys = folder_at(tmp_path / "keys")
    parts_in(keys).keep(ONE, PART)
    path = file_of(keys, ONE)
    other_name = tmp_path / "the same blocks"
    other_name.hardlink_to(path)
    size = path.stat().st_size
    parts_in(keys).destroy(ONE)
    assert not path.exists() and other_name.read_bytes() == bytes(size)


def test_parts_that_cannot_be_written_are_said_by_their_place(tmp_path: Path) -> None:
    keys = folder_at(tmp_path / "keys")
    (keys.folder / "versions").write_bytes(b"in the way")
    with pytest.raises(DataFolderError, match="cannot be used"):
        parts_in(keys).keep(ONE, PART)


@pytest.mark.parametrize("there", [True, False])
def test_link_in_the_place_of_a_part_is_refused_and_what_it_leads_to_is_left_alone(tmp_path: Path, there: bool) -> None:
    keys = folder_at(tmp_path / "keys")
    parts_in(keys).keep(ONE, PART)
    path, target = file_of(keys, ONE), tmp_path / "elsewhere"
    path.rename(target)
    content = target.read_bytes()
    if not there:
        target.unlink()
    path.symlink_to(target)
    for attempt in (lambda: parts_in(keys).read(ONE, 1), lambda: parts_in(keys).destroy(ONE)):
        with pytest.raises(DataFolderError, match="symbolic link") as caught:
            attempt()
        assert caught.value.where == str(path)
    assert parts_in(keys).has(ONE) and path.is_symlink()
    assert not there or target.read_bytes() == content


def test_what_was_cut_short_while_a_part_was_written_is_swept_and_files_of_others_are_not(tmp_path: Path) -> None:
    keys = folder_at(tmp_path / "keys")
    parts_in(keys).keep(ONE, PART)
    folder = file_of(keys, ONE).parent
    half = folder / f".{OTHER.hex()}.4711.part"
    half.write_bytes(b"half")
    others = {folder / name for name in ("README", ".nfs0001", f"{OTHER.hex()}.bak", f".{OTHER.hex()}.bak")}
    for path in others:
        path.write_bytes(b"of somebody else")
    assert parts_in(keys).sweep([ONE]) == 1
    assert set(folder.iterdir()) == {file_of(keys, ONE), *others}
