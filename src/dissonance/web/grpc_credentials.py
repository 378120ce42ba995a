"""Certificates of gRPC that may change while it serves."""

from __future__ import annotations

import grpc

from dissonance.security.live_tls import LiveTls


def credentials_of(tls: LiveTls) -> grpc.ServerCredentials:
    """gRPC asks for the certificate at each new connection, from a thread of its own."""

    def configuration() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([tls.server_pem])

    return grpc.dynamic_ssl_server_credentials(configuration(), configuration)
