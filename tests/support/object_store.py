"""A real S3 server, SeaweedFS, in a folder: master, volume, filer and S3 gateway, all on the loopback device."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from pyarrow.fs import S3FileSystem

PROGRAM = Path(sys.executable).with_name("weed")
LISTENERS = ("master.port", "volume.port", "filer.port", "s3.port")
BUCKET = "scores"
START_S = 60.0


class ObjectStore(NamedTuple):
    """`environment`: variables by which clients find it, and are let in."""

    endpoint: str
    environment: dict[str, str]

    def client(self) -> S3FileSystem:
        return S3FileSystem(
            access_key=self.environment["AWS_ACCESS_KEY_ID"],
            secret_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=self.endpoint,
            region="us-east-1",
            allow_bucket_creation=True,
        )


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Holds the bucket `BUCKET`."""
    identities = [{"name": "test", "credentials": [{"accessKey": "who", "secretKey": "secret"}], "actions": ["Admin"]}]
    (folder / "identities.json").write_text(json.dumps({"identities": identities}))
    ports = free_ports(2 * len(LISTENERS))
    names = [name for listener in LISTENERS for name in (listener, f"{listener}.grpc")]
    command = [
        *(str(PROGRAM), "-logtostderr", "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(
            "-filer",
            "-s3",
            f"-s3.config={folder / 'identities.json'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-iam=false",
        ),
        *("-master.volumeSizeLimitMB=64", "-volume.max=8"),
        *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
    ]
    endpoint = f"http://127.0.0.1:{ports[names.index('s3.port')]}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    store = ObjectStore(
        endpoint,
        {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "secret"},
    )
    try:
        _await(store, process, folder / "log")
        yield store
    finally:
        process.kill()  # on SIGTERM it takes twenty seconds
        process.wait()


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _await(store: ObjectStore, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            client = store.client()
            client.create_dir(BUCKET)
            with client.open_output_stream(f"{BUCKET}/ready") as file:
                file.write(b"ready")
            client.delete_file(f"{BUCKET}/ready")
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no object store: {error}\n{log.read_text()[-2000:]}") from error
            time.sleep(0.2)
