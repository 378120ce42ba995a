"""`dissonance bus permissions`: what an operator pastes into the broker's configuration."""

from __future__ import annotations

from pathlib import Path

import msgspec
from typer.testing import CliRunner

from dissonance.cli import app
from dissonance.contracts.bus_needs import NEEDS


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["bus", "permissions", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_permissions_name_each_part_with_its_key_and_make_its_seed(tmp_path: Path) -> None:
    parts = msgspec.json.decode(printed("--keys", str(tmp_path / "seeds"), "--json"))

    assert [part["name"] for part in parts] == list(NEEDS)
    assert all(Path(part["seed_file"]).is_file() and part["publish"] and part["subscribe"] for part in parts)
    text = printed("--keys", str(tmp_path / "seeds"))
    assert all(f"nkey: {part['public_key']}" in text for part in parts)
    assert not any(Path(part["seed_file"]).read_text() in text for part in parts)
