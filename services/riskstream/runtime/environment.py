"""Names of the environment: one that begins with RISKSTREAM_ and that nobody reads is a slip, and
is refused at start.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

PREFIX = "RISKSTREAM_"
SERVICES = ("gateway", "scorer", "tracker", "profiler", "reporter", "lag")
"""What a service does not read of another one's is left: one file of variables may serve all of
them.
"""
SHARED = tuple(
    PREFIX + name
    for name in (
        "CACHE",
        "GUARD_LOG",
        "TAG",
        "TEST_REGISTRY",
        "BASE_CURRENCY",
        "FAULT_POINT",
        "FAULT_HOW",
        "FAULT_TIMES",
        "KAFKA",
        "KAFKA_PROTOCOL",
        "KAFKA_MECHANISM",
        "KAFKA_USERNAME",
        "KAFKA_PASSWORD",
        "KAFKA_CA",
        "SCHEMA_REGISTRY_URL",
        "SCHEMA_REGISTRY_USERNAME",
        "SCHEMA_REGISTRY_PASSWORD",
        "SCHEMA_REGISTRY_CA",
        "SCHEMA_REGISTRY_REGISTER",
    )
)
_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$")
"""Kubernetes tells each container of every Service in its namespace by such names."""


def check_environment(environment: Mapping[str, str], service: str, fields: Iterable[str]) -> None:
    """Fatal for a name that begins with RISKSTREAM_ and that no process reads. `fields`: those of
    this service's settings.
    """
    mine = {f"{PREFIX}{service}_{name}".upper() for name in fields}
    others = tuple(f"{PREFIX}{each}_".upper() for each in SERVICES if each != service)
    for key in sorted(environment):
        name = key.upper()
        if not name.startswith(PREFIX) or name in mine or name in SHARED or name.startswith(others):
            continue
        if not name.startswith(f"{PREFIX}{service}_".upper()) and _KUBERNETES.search(name):
            continue
        meant = get_close_matches(name, [*mine, *SHARED], 1)
        raise Fatal(
            what=f"unknown setting {key}",
            where="environment",
            do=f"remove it, or use {meant[0]}"
            if meant
            else f"remove it, or use one of {', '.join(sorted(mine))}",
            exit_code=Exit.INPUT,
        )
