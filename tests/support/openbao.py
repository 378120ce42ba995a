"""OpenBao in a process of its own, as an issuer of tokens: its identity tokens, with its own keys, over real HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = "only-for-tests"
START_TIMEOUT_S = 60.0
POLICY = 'path "identity/oidc/token/*" { capabilities = ["read"] }'


class OpenBao:
    """`bao server -dev`: all in memory. One person, `ada`, of the group `ml`; one key and one role an algorithm."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._person = ""

    @property
    def issuer(self) -> str:
        return f"{self.address}/v1/identity/oidc"

    def start(self) -> None:
        program = str(Path(sys.executable).with_name("bao"))
        listen = self.address.removeprefix("http://")
        command = [program, "server", "-dev", f"-dev-listen-address={listen}", f"-dev-root-token-id={ROOT}"]
        with (self._folder / "bao.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "-dev-no-store-token"],
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(self._folder)},
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.call("GET", "sys/health")
                return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def be_an_issuer(self, *algorithms: str) -> None:
        self.call("POST", "sys/auth/userpass", {"type": "userpass"})
        self.call("PUT", "sys/policies/acl/tokens", {"policy": POLICY})
        self.call("POST", "auth/userpass/users/ada", {"password": ROOT, "token_policies": "tokens"})
        login = self.call("POST", "auth/userpass/login/ada", {"password": ROOT})["auth"]
        self._person = login["client_token"]
        self.call("POST", "identity/group", {"name": "ml", "member_entity_ids": [login["entity_id"]]})
        template = '{"groups": {{identity.entity.groups.names}}}'
        for algorithm in algorithms:
            name = algorithm.lower()
            self.call("POST", f"identity/oidc/key/{name}", {"algorithm": algorithm, "allowed_client_ids": "*"})
            role = {"key": name, "client_id": "dissonance", "ttl": "10m", "template": template}
            self.call("POST", f"identity/oidc/role/{name}", role)

    def token(self, algorithm: str) -> str:
        """One for `ada`."""
        found = self.call("GET", f"identity/oidc/token/{algorithm.lower()}", token=self._person)
        return str(found["data"]["token"])

    def rotate(self, algorithm: str) -> None:
        """What the old key signed is no longer vouched for."""
        self.call("POST", f"identity/oidc/key/{algorithm.lower()}/rotate", {"verification_ttl": "0s"})

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, token: str = ROOT) -> Any:
        request = urllib.request.Request(
            f"{self.address}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-vault-token": token},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read() or b"null")
