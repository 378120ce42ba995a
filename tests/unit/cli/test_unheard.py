"""What libraries say is not for who runs a command."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from dissonance.cli.unheard import OursForPeople
from dissonance.telemetry.logs import FIELDS


def said_by(name: str, text: str, capsys: pytest.CaptureFixture[str], **fields: object) -> str:
    record = logging.makeLogRecord({"name": name, "msg": text, "levelno": logging.WARNING, **fields})
    OursForPeople().handle(record)
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_sentences_of_ours_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert said_by("dissonance.pipeline", "rows [1] remain", capsys) == "rows [1] remain\n"


def test_libraries_and_lines_of_fields_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert said_by("urllib3.connectionpool", "Retrying after connection broken", capsys) == ""
    assert said_by("dissonance.adapters", "call.repeated", capsys, **{FIELDS: {"attempt": 1}}) == ""


def test_a_process_that_hushed_them_prints_nothing_of_theirs() -> None:
    program = (
        "import logging, warnings\n"
        "from dissonance.cli.unheard import hush_libraries\n"
        "hush_libraries()\n"
        "warnings.warn('to go in version 3', FutureWarning)\n"
        "logging.getLogger('urllib3.connectionpool').warning('Retrying')\n"
        "logging.getLogger('dissonance.pipeline').warning('rows remain')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "rows remain\n")
