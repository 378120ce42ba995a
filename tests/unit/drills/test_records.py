"""Records: written whole or not at all, read back as they were, judged by stated limits."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import msgspec
import pytest

from dissonance import __version__
from dissonance.drills.records import (
    AtLeast,
    AtMost,
    Equals,
    Outcome,
    Raw,
    Record,
    describe_machine,
    find_commit,
    judge,
    make_record,
    read_records,
    write_record,
)
from dissonance.errors import ConfigurationError, DataFolderError

NOON_US = 1_700_000_000_999_999


def a_record(name: str = "nothing-lost", now_us: int = NOON_US, **raw: Raw) -> Record:
    return make_record(
        name=name,
        what="stream, kill, count",
        command="dissonance drill nothing-lost",
        now_us=now_us,
        raw=raw or {"acknowledged": 50_000, "stored": 50_000, "engine": "nats", "recoveries_s": [1.5, 2.0]},
        limits=[] if raw else [AtLeast("acknowledged", 50_000), Equals("stored", 50_000)],
    )


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = a_record()

    path = write_record(tmp_path / "records", record)

    assert path.name == "nothing-lost-20231114T221320Z.json"
    assert read_records(tmp_path / "records") == [record]
    assert record.verdict is Outcome.PASS
    assert record.when == "2023-11-14T22:13:20Z"
    assert record.version == __version__


def test_only_the_whole_record_is_left_in_the_folder(tmp_path: Path) -> None:
    path = write_record(tmp_path, a_record())

    assert list(tmp_path.iterdir()) == [path]


def test_second_record_of_the_same_second_does_not_overwrite_the_first(tmp_path: Path) -> None:
    first = a_record()
    write_record(tmp_path, first)

    with pytest.raises(DataFolderError, match="was not written"):
        write_record(tmp_path, a_record(other=1))

    assert read_records(tmp_path) == [first]
    assert len(list(tmp_path.iterdir())) == 1


def test_folder_that_is_a_file_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("in the way")

    with pytest.raises(DataFolderError, match="--records"):
        write_record(tmp_path / "records", a_record())


def test_records_are_read_oldest_first_across_names(tmp_path: Path) -> None:
    late, early = a_record("a-bench", NOON_US + 60_000_000), a_record("b-bench", NOON_US)
    for record in (late, early):
        write_record(tmp_path, record)

    assert read_records(tmp_path) == [early, late]


def test_absent_folder_holds_no_records(tmp_path: Path) -> None:
    assert read_records(tmp_path / "never-made") == []


@pytest.mark.parametrize("content", [b"{}", b"not json", b"\xff\xfe", b'{"name": "x", "unknown": 1}'])
def test_file_that_is_no_record_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.json").write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"odd\.json"):
        read_records(tmp_path)


def test_record_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    newer = msgspec.structs.replace(a_record(), schema_version=2)
    write_record(tmp_path, newer)

    with pytest.raises(ConfigurationError, match="schema version 2; this version reads 1"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("limit", "value", "outcome"),
    [
        (AtLeast("x", 10), 10, Outcome.PASS),
        (AtLeast("x", 10), 9.99, Outcome.FAIL),
        (AtMost("x", 10), 10, Outcome.PASS),
        (AtMost("x", 10), 10.01, Outcome.FAIL),
        (Equals("x", 10), 10, Outcome.PASS),
        (Equals("x", 10), 11, Outcome.FAIL),
        (AtMost("x", 10), "5", Outcome.FAIL),
        (AtMost("x", 10), None, Outcome.FAIL),
    ],
)
def test_verdict_at_the_edge_of_each_limit(limit: AtLeast | AtMost | Equals, value: Raw, outcome: Outcome) -> None:
    verdict, reasons = judge({"x": value}, [limit])

    assert verdict is outcome
    assert bool(reasons) is (outcome is Outcome.FAIL)


def test_limit_on_a_number_nobody_measured_fails_and_says_so() -> None:
    verdict, reasons = judge({}, [AtMost("lost", 0)])

    assert verdict is Outcome.FAIL
    assert reasons == ["lost was not measured; it must be at most 0"]


def test_every_limit_that_does_not_hold_gives_its_own_reason() -> None:
    _, reasons = judge(
        {"lost": 3, "twice": 0, "rate": 5.5}, [Equals("lost", 0), Equals("twice", 0), AtLeast("rate", 9)]
    )

    assert reasons == ["lost is 3; it must be exactly 0", "rate is 5.5; it must be at least 9"]


def test_value_that_is_not_finite_is_recorded_as_missing_and_fails_its_limit(tmp_path: Path) -> None:
    record = make_record(
        name="bench",
        what="w",
        command="c",
        now_us=0,
        raw={"x": math.nan, "y": [math.inf, 1.0]},
        limits=[AtMost("x", 1)],
    )

    write_record(tmp_path, record)

    assert record.verdict is Outcome.FAIL
    assert read_records(tmp_path)[0].raw == {"x": None, "y": [None, 1.0]}


def test_machine_is_described_in_full() -> None:
    machine = describe_machine()

    assert machine.cpu
    assert machine.cores >= 1
    assert machine.memory_bytes > 64 * 2**20
    assert machine.kernel.strip() == machine.kernel != ""
    assert machine.python.startswith("3.")


def a_checkout(folder: Path) -> Path:
    """A git repository with a committed package `src/__init__.py`; returns the package's folder."""
    package = folder / "src"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "src"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    return package


def test_commit_of_a_clean_checkout_is_its_hash(tmp_path: Path) -> None:
    commit = find_commit(a_checkout(tmp_path))

    assert commit is not None
    assert len(commit) == 40


def test_commit_of_a_changed_checkout_says_so(tmp_path: Path) -> None:
    package = a_checkout(tmp_path)
    (package / "__init__.py").write_text("changed = True\n")

    commit = find_commit(package)

    assert commit is not None
    assert commit.endswith("+changes")


def test_package_installed_inside_another_projects_checkout_has_no_commit(tmp_path: Path) -> None:
    a_checkout(tmp_path)
    installed = tmp_path / ".venv" / "dissonance"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")

    assert find_commit(installed) is None


def test_package_outside_any_checkout_has_no_commit(tmp_path: Path) -> None:
    assert find_commit(tmp_path) is None
