"""The engines talk to our own services and to nobody else, also while certificates are renewed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dissonance.adapters.clock import SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.engines import EmbeddedEngines
from dissonance.adapters.embedded.mlflow import check_mlflow
from dissonance.security.tls import Tls, client_context, trusting
from support.bus import WINDOWS, collect, connect, numbers
from support.certificates import DAY_S, DUE_DAYS, clock_days_ago, hang_up, is_shut_out, live_in, older
from support.engines import specification
from support.events import evaluated

STRANGERS: dict[str, Callable[[Tls, Path], ssl.SSLContext | None]] = {
    "plain": lambda tls, folder: None,
    "TLS 1.2": lambda tls, folder: older(client_context(tls)),
    "without a certificate": lambda tls, folder: trusting(tls.authority),
    "of another authority": lambda tls, folder: impostor(tls, folder),
}


def impostor(tls: Tls, folder: Path) -> ssl.SSLContext:
    """Trusts our engines, and shows them a certificate of an authority of its own."""
    context = trusting(tls.authority)
    context.load_cert_chain(live_in(folder, clock_days_ago(), seed=9).tls.client.certificate)
    return context


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("engine", ["nats_url", "mlflow_url"])
def test_a_stranger_is_shut_out(all_engines: EngineAddresses, engine: str, stranger: str, tmp_path: Path) -> None:
    assert all_engines.tls is not None
    port = urlsplit(getattr(all_engines, engine)).port or 0
    context = STRANGERS[stranger](all_engines.tls, tmp_path)
    # Over TLS 1.3 a caller hears of its certificate only after it has said something.
    assert asyncio.run(is_shut_out(port, context))
    assert not asyncio.run(is_shut_out(port, client_context(all_engines.tls), b"GET /health HTTP/1.0\r\n\r\n"))


def test_an_engine_that_another_authority_vouches_for_is_not_spoken_to(
    all_engines: EngineAddresses, tmp_path: Path
) -> None:
    ours = live_in(tmp_path, clock_days_ago(), seed=9)
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(begun(urlsplit(all_engines.nats_url).port or 0, ours.client))


async def begun(port: int, context: ssl.SSLContext) -> None:
    await asyncio.open_connection("127.0.0.1", port, ssl=context)


def test_renewed_certificates_are_taken_by_the_broker_and_no_connection_is_lost(tmp_path: Path) -> None:
    clock = clock_days_ago(DUE_DAYS)

    async def story() -> None:
        wanted = specification(tmp_path, postgres=False)
        engines = EmbeddedEngines(wanted, SystemRandomness(), clock=clock, look_at_certificates_every_s=0.05)
        addresses, stop, lost = await engines.start(), asyncio.Event(), list[str]()
        assert addresses.tls is not None
        keeping = asyncio.create_task(engines.run_until(stop))
        bus = await connect(addresses.nats_url, tls=addresses.tls)
        bus._connection.on_lost(lambda: lost.append("lost"))
        await bus.publish([evaluated(0)])
        before = await shown(addresses)
        clock.advance(DUE_DAYS * DAY_S)
        while await shown(addresses) == before:
            await asyncio.sleep(0.05)
        await bus.publish([evaluated(1)])
        async with bus.subscribe("reader", WINDOWS) as subscription:
            assert numbers(await collect(subscription, 2)) == [0, 1]
        assert lost == []
        later = await connect(addresses.nats_url, tls=addresses.tls)
        for each in (later, bus):
            await each.close()
        stop.set()
        await keeping
        await engines.stop()

    asyncio.run(story())


async def shown(addresses: EngineAddresses) -> bytes:
    """The certificate that the broker shows to a new caller."""
    assert addresses.tls is not None
    port = urlsplit(addresses.nats_url).port
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(addresses.tls))
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    await hang_up(writer)
    return certificate


def test_mlflow_answers_our_own_services(all_engines: EngineAddresses) -> None:
    asyncio.run(check_mlflow(all_engines.mlflow_url, all_engines.tls))
