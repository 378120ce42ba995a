"""Settings in, the model registry out: an MLflow, and who we are there."""

from __future__ import annotations

from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.keys.secrets import read_secret
from dissonance.adapters.mlflow.credentials import Authorization, basic, bearer
from dissonance.adapters.mlflow.registry import MlflowRegistry
from dissonance.ports.clock import Clock, Randomness
from dissonance.security.live_tls import LiveTls
from dissonance.security.service_tokens import ServiceToken
from dissonance.security.tokens import TokenIssuer
from dissonance.settings import Settings


def open_registry(
    settings: Settings, url: str, keys: KeyFolder, tls: LiveTls, clock: Clock, randomness: Randomness
) -> MlflowRegistry:
    """Raises `ConfigurationError` for a secret that cannot be read."""
    context = tls.client if url.startswith("https://") else None
    return MlflowRegistry(url, authorization(settings, keys, clock, randomness), context, clock=clock)


def authorization(settings: Settings, keys: KeyFolder, clock: Clock, randomness: Randomness) -> Authorization | None:
    """Our tokens for an MLflow that takes them; another would learn them, and could use them."""
    if settings.mlflow_url and not settings.mlflow_takes_our_tokens:
        if settings.mlflow_username:
            return basic(settings.mlflow_username, read_secret(settings.mlflow_password))
        if settings.mlflow_token:
            token = read_secret(settings.mlflow_token)
            return bearer(lambda: token)
        return None
    issuer = TokenIssuer(
        keys.issuer_private_key_pem,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=clock,
        randomness=randomness,
    )
    return bearer(ServiceToken(issuer, clock, subject="registrar", grant="registrar"))
