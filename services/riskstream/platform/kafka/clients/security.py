"""How every client of this process reaches Kafka: RISKSTREAM_KAFKA_PROTOCOL, _MECHANISM, _USERNAME,
_PASSWORD and _CA.
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit


class KafkaSecurity(BaseSettings):
    """PLAINTEXT where nothing is set. One set for a process: all of its clients talk to the same
    cluster as the same user.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_kafka_", frozen=True, extra="ignore")

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(default="PLAINTEXT")
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(default="SCRAM-SHA-512")
    username: str = Field(default="")
    password: SecretStr = Field(default=SecretStr(""))
    ca: Path | None = Field(default=None)

    def client_settings(self) -> dict[str, Any]:
        """librdkafka's settings. Fatal where something is missing."""
        if self.protocol == "PLAINTEXT":
            return {}
        out: dict[str, Any] = {"security.protocol": self.protocol}
        if self.protocol.startswith("SASL"):
            if not self.username or not self.password.get_secret_value():
                raise Fatal(
                    what=f"{self.protocol} needs a user and a password",
                    where="environment",
                    do="set RISKSTREAM_KAFKA_USERNAME and RISKSTREAM_KAFKA_PASSWORD",
                    exit_code=Exit.INPUT,
                )
            out |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password.get_secret_value(),
            }
        if self.protocol.endswith("SSL") and self.ca is not None:
            if not self.ca.is_file():
                raise Fatal(
                    what=f"there is no file {self.ca}",
                    where="RISKSTREAM_KAFKA_CA",
                    do="give the certificate of the authority that signed the brokers'",
                    exit_code=Exit.INPUT,
                )
            out["ssl.ca.location"] = str(self.ca)
        return out


@cache
def security() -> dict[str, Any]:
    """librdkafka's settings, read once. Fatal where they are wrong."""
    try:
        return KafkaSecurity().client_settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise Fatal(
            what=f"{name} is wrong: {first['msg']}",
            where=f"RISKSTREAM_KAFKA_{name.upper()}",
            do="correct it",
            exit_code=Exit.INPUT,
        ) from None
