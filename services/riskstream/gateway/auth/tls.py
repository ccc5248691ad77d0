"""TLS of the gateway's port: its certificate, and whose certificates of callers it trusts."""

import ssl
from pathlib import Path
from typing import Any

import structlog
import yaml
from cryptography import x509

from riskstream.gateway.auth.caller import SCOPES, Caller
from riskstream.gateway.auth.settings import AccessSettings
from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

log = structlog.get_logger("gateway")
_NO_PASSWORD = b""


class Certificates:
    """The port's TLS context; `protocols`: their names in ALPN, the best one first. Fatal where a
    file is missing, or does not fit another.
    """

    def __init__(
        self, certificate: Path, key: Path, settings: AccessSettings, protocols: list[str]
    ) -> None:
        self._certificate, self._key = certificate, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(protocols)
        self._changed_at = self._changed()
        try:
            self._load()
        except (OSError, ValueError) as error:
            raise _fatal(certificate, "certificate and key", error) from error
        if settings.tls_client_ca is not None:
            try:
                self.context.load_verify_locations(settings.tls_client_ca)
            except (OSError, ValueError) as error:
                raise _fatal(settings.tls_client_ca, "authority of callers", error) from error
            is_required = settings.tls_clients == "required"
            self.context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL

    def renew(self) -> None:
        """Load certificate and key again where a file changed: connections from now on get them."""
        changed_at = self._changed()
        if changed_at == self._changed_at:
            return
        try:
            self._load()
        except (OSError, ValueError) as error:
            log.error("the new certificate cannot be used; the old one stays", why=_why(error))
        else:
            log.info("new certificate", file=str(self._certificate))
        self._changed_at = changed_at

    def _load(self) -> None:
        # a key with a password would ask whoever started us for it
        self.context.load_cert_chain(self._certificate, self._key, lambda: _NO_PASSWORD)

    def _changed(self) -> tuple[int, ...]:
        found = (self._certificate, self._key)
        return tuple(each.stat().st_mtime_ns if each.exists() else 0 for each in found)


def certificates_of(
    settings: AccessSettings, protocols: list[str] | None = None
) -> Certificates | None:
    """None where the port is without TLS. `protocols`: HTTP/1.1 alone, unless they are given."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    names = protocols or ["http/1.1"]
    return Certificates(settings.tls_certificate, settings.tls_key, settings, names)


def subject_of(transport: Any) -> str | None:
    """The subject of the caller's certificate as RFC 4514 writes it; None where there is none."""
    connection = transport.get_extra_info("ssl_object")
    raw = None if connection is None else connection.getpeercert(True)
    return None if raw is None else x509.load_der_x509_certificate(raw).subject.rfc4514_string()


def read_subjects(path: Path) -> dict[str, Caller]:
    """By subject who it is, from YAML: subjects with lists of scopes. Fatal where it is none."""
    try:
        data = yaml.safe_load(path.read_text())
        return dict(_subject(text, scopes) for text, scopes in data.items())
    except (OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        has_words = isinstance(error, OSError | yaml.YAMLError | ValueError)
        raise Fatal(
            what=f"the subjects cannot be read: {cause(error) if has_words else repr(error)}",
            where=str(path),
            do='write a line a subject, such as "CN=payments,O=Bank": [transactions:write]',
            exit_code=Exit.INPUT,
        ) from error


def _subject(text: str, scopes: list[str]) -> tuple[str, Caller]:
    try:
        name = x509.Name.from_rfc4514_string(text).rfc4514_string()
    except ValueError:
        raise ValueError(f"{text} is no subject as RFC 4514 writes it") from None
    if not isinstance(scopes, list):
        raise ValueError(f"{text} has no list of scopes")
    if unknown := [each for each in scopes if each not in SCOPES]:
        raise ValueError(f"{unknown[0]} of {text} is not one of {', '.join(SCOPES)}")
    return name, Caller(name=f"certificate:{name}", scopes=frozenset(scopes))


def _fatal(path: Path, what: str, error: Exception) -> Fatal:
    return Fatal(
        what=f"{what} cannot be used: {_why(error)}",
        where=str(path),
        do="give files of PEM that belong together, the key without a password",
        exit_code=Exit.INPUT,
    )


def _why(error: Exception) -> str:
    """Of OpenSSL its own words: the number in its errors is none of the system's."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is no PEM").replace("_", " ").lower()
    return cause(error)
