"""Settings of who may call the gateway."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from riskstream.gateway.auth.jwks import FAMILIES, is_url
from riskstream.runtime.settings import MoneySettings, RedisUrl
from riskstream.runtime.settings_help import Word

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def _jwks(source: str) -> str:
    if source.startswith("http://") and urlsplit(source).hostname not in _THIS_MACHINE:
        raise ValueError("who is on the way could change the keys: give an https URL or a file")
    if "://" in source and not is_url(source):
        raise ValueError("it is neither an https URL nor a file")
    return source


def _algorithms(names: str) -> str:
    unknown = [each for each in names.split(",") if each not in FAMILIES]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not one of {', '.join(FAMILIES)}")
    return names


class AccessSettings(MoneySettings):
    """The part of the gateway's settings that is about its callers."""

    auth: Literal["required", "none"] = Field(
        default="required",
        description="`required`: every request needs an API key or a token (docs/auth.md); `none`: "
        "anybody may call",
    )
    jwt_jwks: Annotated[str, Word("URL|PATH"), AfterValidator(_jwks)] = Field(
        default="",
        description="JWK set with the public keys of tokens: an https URL or a file; without it no "
        "token is taken",
    )
    jwt_issuer: Annotated[str, Word("NAME")] = Field(
        default="", description="`iss` that tokens must have"
    )
    jwt_audience: Annotated[str, Word("NAME")] = Field(
        default="", description="`aud` that tokens must have"
    )
    jwt_algorithms: Annotated[str, Word("NAMES"), AfterValidator(_algorithms)] = Field(
        default="RS256,PS256,ES256,EdDSA",
        description="signatures that tokens may have, with commas between them",
    )
    jwt_leeway_s: int = Field(
        default=10,
        ge=0,
        le=300,
        description="how far the clock of who issues tokens may differ from ours, s",
    )
    jwt_refresh_s: float = Field(
        default=300, ge=1, le=86_400, description="time between two reads of the JWK set, s"
    )

    redis: Annotated[RedisUrl | None, Word("URL")] = Field(
        default=None,
        description="URL of the Redis in which gateways limit callers and remember transactions "
        "together; without it each gateway does so by itself",
    )
    rate_per_s: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="requests a second of a caller whose key says none; 0 for no limit",
    )
    rate_burst: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="requests that such a caller may send at once; 0 for those of two seconds",
    )

    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file of the port's certificate and its chain; it is read again where it "
        "changes [default: no TLS]",
    )
    tls_key: Path | None = Field(
        default=None, description="PEM file of the certificate's key, without a password"
    )
    tls_client_ca: Path | None = Field(
        default=None, description="PEM file of the authorities that sign certificates of callers"
    )
    tls_clients: Literal["required", "optional"] = Field(
        default="required",
        description="with tls_client_ca: whether callers must have a certificate, or may",
    )
    tls_subjects: Path | None = Field(
        default=None,
        description="YAML file that gives subjects of callers' certificates their scopes",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Tokens of just anybody's audience are none of ours."""
        if self.jwt_jwks and not (self.jwt_issuer and self.jwt_audience):
            yield "jwt_jwks is given without jwt_issuer or jwt_audience", "give all three"
        if (self.tls_certificate is None) != (self.tls_key is None):
            yield "of tls_certificate and tls_key one is given", "give both, or neither"
        if self.tls_client_ca is not None and self.tls_certificate is None:
            yield "tls_client_ca is given without tls_certificate", "give both"
        if self.tls_subjects is not None and self.tls_client_ca is None:
            yield "tls_subjects is given without tls_client_ca", "give both"
