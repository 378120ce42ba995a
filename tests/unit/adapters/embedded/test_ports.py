from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.loopback import HOST
from dissonance.adapters.embedded.ports import Ports, port_again, read_ports, remember_ports
from dissonance.errors import DataFolderError


def test_a_new_folder_remembers_no_port(tmp_path: Path) -> None:
    assert read_ports(DataFolder(tmp_path)) == Ports()


def test_ports_are_remembered(tmp_path: Path) -> None:
    remember_ports(DataFolder(tmp_path), Ports(nats=4222, mlflow=5000))
    assert read_ports(DataFolder(tmp_path)) == Ports(nats=4222, mlflow=5000)


def test_damaged_memory_of_ports_is_named_with_the_way_out(tmp_path: Path) -> None:
    DataFolder(tmp_path).ports.write_text("{")
    with pytest.raises(DataFolderError, match="remove this file"):
        read_ports(DataFolder(tmp_path))


def test_a_port_that_is_asked_for_wins() -> None:
    assert port_again(1234, 4222, "nats", lambda line: None) == 1234


def test_the_port_from_before_is_taken_while_it_is_free_and_given_up_aloud_when_not() -> None:
    said: list[str] = []
    with socket.create_server((HOST, 0)) as holder:
        port = holder.getsockname()[1]
        assert port_again(0, port, "nats", said.append) == 0
    assert str(port) in said[0]
    assert port_again(0, port, "nats", said.append) == port
    assert len(said) == 1
