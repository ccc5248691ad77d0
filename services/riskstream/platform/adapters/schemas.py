"""Opens a process's schemas: published in schemas.v1, asked for there and at the registry where
there is one.
"""

import time

import structlog

from riskstream.domain.contracts import writers
from riskstream.domain.contracts.catalog import contract, topics
from riskstream.platform.adapters.schema_registry import SchemaRegistry, registry_settings
from riskstream.platform.kafka.schemas import Lookups, TopicSchemas, publish
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit

log = structlog.get_logger("schemas")
_DEADLINE_S = 60.0


def read_schemas(kafka: str) -> Lookups:
    """From now on this process asks for ids that it does not bundle. Nothing is asked before it
    meets one.
    """
    settings = registry_settings()
    lookups = Lookups([TopicSchemas(kafka), *([SchemaRegistry(settings)] if settings.url else [])])
    writers.use(lookups)
    return lookups


def open_schemas(kafka: str, service: str) -> None:
    """As `read_schemas`; and what the service writes by is published, and registered where that is
    set, before it writes.

    Fatal where the registry refuses a schema of ours, or does not answer within a minute.
    """
    try:
        if new := publish(kafka):
            log.info("schemas published", new=new)
    except (Fatal, Retryable) as error:
        # its records can be read; only a version of before could not read them all
        log.warning(
            "schemas are not published: apply the topics before a version is rolled back",
            why=str(error),
        )
    read_schemas(kafka)
    settings = registry_settings()
    if not settings.url or not settings.register_ours:
        return
    registry = SchemaRegistry(settings)
    mine = [each for each in topics().values() if each.contract and service in each.producers]
    ids = {
        each.contract or "": _register(registry, each.subject, each.contract or "") for each in mine
    }
    known = {known: contract(name).schema for name, known in ids.items()}
    writers.use(Lookups([TopicSchemas(kafka), registry], known), ids)
    log.info("schemas registered", ids=ids)


def register_all() -> dict[str, int]:
    """By subject the id of each topic's schema, registered where it was not; Fatal where no
    registry is set.
    """
    settings = registry_settings()
    if not settings.url:
        raise Fatal(
            what="no schema registry is set",
            where="environment",
            do="set RISKSTREAM_SCHEMA_REGISTRY_URL",
            exit_code=Exit.INPUT,
        )
    registry = SchemaRegistry(settings)
    mine = [each for each in topics().values() if each.contract]
    return {each.subject: _register(registry, each.subject, each.contract or "") for each in mine}


def _register(registry: SchemaRegistry, subject: str, name: str) -> int:
    end = time.monotonic() + _DEADLINE_S
    while True:
        try:
            return registry.register(subject, contract(name).schema)
        except Retryable as error:
            refused = getattr(error, "status", 0)
            if refused in (401, 403, 404, 409, 422) or time.monotonic() > end:
                raise Fatal(
                    what=f"{name} was not registered: {error.what}",
                    where=f"subject {subject}",
                    do="look at the registry's rules and rights, or unset "
                    "RISKSTREAM_SCHEMA_REGISTRY_REGISTER",
                ) from error
            time.sleep(0.5)
