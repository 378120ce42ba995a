"""Real engines for tests: started in a process of their own, so that no test shares a thread or a loop with them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses, EngineName
from dissonance.adapters.embedded.engines import EmbeddedEngines, EnginesSpecification
from dissonance.adapters.embedded.preparation import BARE
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.bootstrap import preparation
from dissonance.errors import DissonanceError
from dissonance.security.tokens import TokenIssuer
from dissonance.settings import Settings


def specification(
    folder: Path, *, mlflow: bool = False, nats: bool = True, postgres: bool = True
) -> EnginesSpecification:
    wanted = {EngineName.POSTGRESQL: postgres, EngineName.NATS: nats, EngineName.MLFLOW: mlflow}
    return EnginesSpecification(
        folder=folder,
        keys_folder=folder / "keys",
        environment=dict(os.environ),
        wanted=frozenset(name for name, is_wanted in wanted.items() if is_wanted),
    )


@contextmanager
def running_engines(
    folder: Path, *, mlflow: bool = False, nats: bool = True, postgres: bool = True, prepared: bool = False
) -> Iterator[EngineAddresses]:
    """Real engines on `folder` until the block ends; MLflow only when asked for, since it takes seconds to start.

    `prepared`: by their owner, as `dissonance up` does it; else they are bare.
    """
    options = {"folder": str(folder), "mlflow": mlflow, "nats": nats, "postgres": postgres, "prepared": prepared}
    process = subprocess.Popen(
        [sys.executable, __file__, msgspec.json.encode(options).decode()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        first_line = process.stdout.readline()
        try:
            if not first_line:
                raise AssertionError(f"the engines did not start, see stderr and {folder / 'logs'}")
            yield msgspec.json.decode(first_line, type=EngineAddresses)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def issuer_of(folder: Path) -> TokenIssuer:
    """Whose tokens the engines on `folder` take."""
    keys = KeyFolder.open_or_create(folder / "keys", SystemRandomness())
    return TokenIssuer(
        keys.issuer_private_key_pem,
        issuer="dissonance-local",
        audience="dissonance",
        clock=SystemClock(),
        randomness=SystemRandomness(),
    )


def report(line: str) -> None:
    sys.stderr.write(f"{line}\n")


async def serve(wanted: EnginesSpecification, prepared: bool) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    preparing = preparation(Settings(data=str(wanted.folder))) if prepared else BARE
    engines = EmbeddedEngines(wanted, SystemRandomness(), report, preparation=preparing)
    addresses = await engines.start()
    try:
        sys.stdout.write(msgspec.json.encode(addresses).decode() + "\n")
        sys.stdout.flush()
        await engines.run_until(stop)
    finally:
        await engines.stop()


if __name__ == "__main__":
    arguments = msgspec.json.decode(sys.argv[1])
    root, by_its_owner = Path(arguments.pop("folder")), arguments.pop("prepared")
    try:
        asyncio.run(serve(specification(root, **arguments), by_its_owner))
    except DissonanceError as error:
        sys.exit(str(error))
