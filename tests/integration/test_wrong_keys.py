"""Roles with the key folder of another installation: they do not start, and so they spoil nothing."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest

from dissonance.bootstrap import open_system
from dissonance.bootstrap_roles import run_roles
from dissonance.errors import EngineUnavailable, SealBroken
from dissonance.settings import Settings
from support.engines import running_engines


def test_roles_do_not_start_with_keys_that_the_database_was_not_made_with(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()

    async def run(settings: Settings) -> None:
        await run_roles(settings, ["gate"], stop=stop, on_started=lambda url: None)

    async def opened(settings: Settings) -> None:
        async with open_system(settings):
            pass

    with running_engines(tmp_path) as addresses:
        ours = Settings(
            data=str(tmp_path),
            database_url=addresses.database_url,
            keys_database_url=addresses.keys_database_url,
            nats_url=addresses.nats_url,
            mlflow_url="https://127.0.0.1:9",  # nothing of it is needed to start
        )
        asyncio.run(opened(ours))
        asyncio.run(run(ours))
        theirs = msgspec.structs.replace(ours, key_folder=str(tmp_path / "others"))
        with pytest.raises(EngineUnavailable, match="CERTIFICATE_VERIFY_FAILED") as raised:
            asyncio.run(run(theirs))
        assert "key folder" in raised.value.fix
        shutil.copytree(tmp_path / "keys" / "tls", tmp_path / "others" / "tls", dirs_exist_ok=True)
        with pytest.raises(SealBroken, match="another key-encryption key"):
            asyncio.run(run(theirs))
