"""Settings in, the guards of the root key out: of a passphrase and of OpenBao, each reached when it is needed."""

from __future__ import annotations

from functools import cache

from dissonance.adapters.keys.documents import GuardName
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.keys.guards import Guards
from dissonance.adapters.keys.secrets import read_secret
from dissonance.errors import ConfigurationError
from dissonance.ports.breaker import Breakers
from dissonance.ports.clock import Randomness
from dissonance.ports.key_guard import KeyGuard
from dissonance.settings import Settings

OPENBAO = "OpenBao"


def key_guards(settings: Settings, randomness: Randomness, breakers: Breakers | None = None) -> Guards:
    """A new key folder goes to OpenBao where its address is set, else under the passphrase where that is."""

    @cache  # a file descriptor can be read once
    def passphrase() -> KeyGuard:
        from dissonance.adapters.keys.passphrase import PassphraseGuard  # most processes need neither

        return PassphraseGuard(read_secret(settings.key_passphrase), randomness)

    @cache
    def transit() -> KeyGuard:
        from dissonance.adapters.keys import transit as openbao

        mount, slash, key = settings.openbao_key.rpartition("/")
        if not slash or not mount or not key or not settings.openbao_token:
            raise ConfigurationError(
                "the key of OpenBao is not mount/name, or there is no token for it",
                where="DISSONANCE_OPENBAO_KEY, DISSONANCE_OPENBAO_TOKEN",
                fix="set the token to file:PATH, fd:N or keyring:SERVICE/NAME",
            )
        place = openbao.TransitPlace(
            settings.openbao_address, read_secret(settings.openbao_token), mount, key, settings.openbao_ca_file
        )
        breaker = None
        if breakers is not None:
            breaker = breakers.make(OPENBAO, failures=openbao.FAILURES, rest_s=openbao.REST_S)
        return openbao.TransitGuard(place, breaker)

    made = {}
    if settings.key_passphrase:
        made[GuardName.PASSPHRASE] = passphrase
    if settings.openbao_address:
        made[GuardName.TRANSIT] = transit
    new = GuardName.TRANSIT if settings.openbao_address else GuardName.PASSPHRASE
    return Guards(made, new if made else GuardName.FILE)


def open_key_folder(settings: Settings, randomness: Randomness) -> KeyFolder:
    """Raises what `KeyFolder.open_or_create` raises."""
    return KeyFolder.open_or_create(settings.keys_folder, randomness, key_guards(settings, randomness))
