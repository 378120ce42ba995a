from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dissonance.errors import ConfigurationError
from dissonance.telemetry.logs import configure_logging, current_role, log, log_exception
from dissonance.telemetry.names import LogAction

SECRET = "Ada Lovelace, 36"


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # so that configuring closes none of the test runner's
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_role_action_and_its_fields() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream, role="gate")
    log(logging.getLogger("dissonance.x"), LogAction.MODEL_LOADED, version=3, digest="ab\ncd")
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "INFO", "role": "gate", "action": "model.loaded", "version": 3, "digest": "ab\ncd"}


def test_in_a_process_of_several_roles_the_line_names_the_one_at_work() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream, role="all")
    before = current_role.set("critic")
    log(logging.getLogger("dissonance.x"), LogAction.ROLE_STARTED)
    current_role.reset(before)
    log(logging.getLogger("dissonance.x"), LogAction.ROLE_STARTED)
    assert [line["role"] for line in lines(stream)] == ["critic", "all"]


def test_an_exception_is_logged_by_type_and_place_without_its_message() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream)
    logger = logging.getLogger("dissonance.x")
    try:
        try:
            float(SECRET)
        except ValueError as cause:
            raise KeyError(SECRET) from cause
    except KeyError as error:
        log_exception(logger, LogAction.EVENT_FAILED, error, kind="judged")
    (line,) = lines(stream)
    assert SECRET not in stream.getvalue()
    assert line["error"] == ["builtins.KeyError", "builtins.ValueError"]
    assert line["frames"][0].startswith("test_logs.py:")
    assert (line["level"], line["kind"]) == ("ERROR", "judged")


def test_a_library_is_heard_from_warning_up_as_such() -> None:
    stream = io.StringIO()
    configure_logging("DEBUG", stream)
    logging.getLogger("uvicorn.error").info("chatter")
    logging.getLogger("uvicorn.error").warning("%s of %d", "three", 4)
    (line,) = lines(stream)
    assert (line["action"], line["library"], line["message"]) == ("library.reported", "uvicorn.error", "three of 4")


def test_a_line_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    configure_logging("WARNING", stream)
    log(logging.getLogger("dissonance.x"), LogAction.ROLE_STARTED)
    assert stream.getvalue() == ""


def test_a_file_is_appended_to_and_configuring_again_replaces_the_target(tmp_path: Path) -> None:
    file, stream = tmp_path / "role.log", io.StringIO()
    for _ in range(2):
        configure_logging("INFO", file)
        log(logging.getLogger("dissonance.x"), LogAction.ROLE_STARTED)
    configure_logging("INFO", stream)
    log(logging.getLogger("dissonance.x"), LogAction.ROLE_STOPPED)
    assert len(file.read_text().splitlines()) == 2
    assert len(lines(stream)) == 1


def test_an_unknown_level_or_an_impossible_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="LOUD"):
        configure_logging("LOUD", io.StringIO())
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        configure_logging("INFO", tmp_path / "nowhere" / "role.log")
