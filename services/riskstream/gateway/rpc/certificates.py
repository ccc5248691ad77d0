"""TLS of the gRPC port: the files of the HTTP port, read again where they change."""

from pathlib import Path
from typing import Any

import grpc
import structlog

from riskstream.gateway.auth.settings import AccessSettings
from riskstream.gateway.auth.tls import certificates_of
from riskstream.runtime.errors import Fatal

log = structlog.get_logger("gateway")


class LiveFiles:
    """The certificate as gRPC takes it. `fetch` is called at each handshake, on a thread of
    gRPC's.
    """

    def __init__(self, certificate: Path, key: Path, settings: AccessSettings) -> None:
        self._certificate, self._key, self._settings = certificate, key, settings
        self._changed_at = self._changed()

    def read(self) -> Any:
        """Fatal where a file is missing, or does not fit another."""
        certificates_of(self._settings)  # which tells what is wrong with them
        ca, pair = self._settings.tls_client_ca, (self._key, self._certificate)
        key, certificate = (each.read_bytes() for each in pair)
        return grpc.ssl_server_certificate_configuration(
            [(key, certificate)], None if ca is None else ca.read_bytes()
        )

    def fetch(self) -> Any:
        """What is new; None where nothing is, or cannot be used."""
        changed_at = self._changed()
        if changed_at == self._changed_at:
            return None
        self._changed_at = changed_at
        try:
            found = self.read()
        except (Fatal, OSError) as error:
            log.error("the new certificate cannot be used; the old one stays", why=str(error))
            return None
        log.info("new certificate", file=str(self._certificate), door="gRPC")
        return found

    def _changed(self) -> tuple[int, ...]:
        found = (self._certificate, self._key)
        return tuple(each.stat().st_mtime_ns if each.exists() else 0 for each in found)


def credentials_of(settings: AccessSettings) -> Any:
    """None where the port is without TLS."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    files = LiveFiles(settings.tls_certificate, settings.tls_key, settings)
    is_asked = settings.tls_client_ca is not None
    return grpc.dynamic_ssl_server_credentials(files.read(), files.fetch, is_asked)
