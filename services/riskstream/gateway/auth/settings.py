"""Settings of who may call the gateway."""

from typing import Literal

from pydantic import Field

from riskstream.runtime.settings import MoneySettings


class AccessSettings(MoneySettings):
    """The part of the gateway's settings that is about its callers."""

    auth: Literal["required", "none"] = Field(
        default="required",
        description="`required`: every request needs an API key or a token (docs/auth.md); `none`: "
        "anybody may call",
    )
