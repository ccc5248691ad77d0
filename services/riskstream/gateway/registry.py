"""The schema registry's read API over the catalog, so that kcat and Confluent's clients can read
our topics.

Paths and error codes as in Confluent's Schema Registry API; there is nothing to write.
"""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from riskstream.domain.contracts.catalog import Topic, contract, contract_by_id, topics

_MEDIA = "application/vnd.schemaregistry.v1+json"


def routes() -> list[Route]:
    """Routes of the read API."""
    return [
        Route("/schemas/types", lambda _: _json(["AVRO"])),
        Route("/schemas/ids/{known}", _by_id),
        Route("/subjects", lambda _: _json(sorted(_subjects()))),
        Route("/subjects/{subject}/versions", _versions),
        Route("/subjects/{subject}/versions/{version}", _version),
    ]


def _subjects() -> dict[str, Topic]:
    return {topic.subject: topic for topic in topics().values() if topic.contract}


def _by_id(request: Request) -> Response:
    known = _number(request.path_params["known"])
    found = contract_by_id().get(known)
    if found is None:
        return _error(404, 40403, f"Schema {request.path_params['known'][:32]} not found")
    return _json({"schema": _text(found.versions[known])})


def _versions(request: Request) -> Response:
    topic = _subjects().get(request.path_params["subject"])
    if topic is None:
        return _error(404, 40401, f"Subject '{request.path_params['subject']}' not found")
    assert topic.contract is not None
    return _json(list(range(1, len(contract(topic.contract).versions) + 1)))


def _version(request: Request) -> Response:
    subject, wanted = request.path_params["subject"], request.path_params["version"]
    topic = _subjects().get(subject)
    if topic is None:
        return _error(404, 40401, f"Subject '{subject}' not found")
    assert topic.contract is not None
    found = contract(topic.contract)
    # Oldest first: the newest schema is the last version.
    ids = [known for known in found.versions if known != found.id] + [found.id]
    number = len(ids) if wanted in ("latest", "-1") else _number(wanted)
    if not 1 <= number <= len(ids):
        return _error(404, 40402, f"Version {wanted[:32]} not found")
    known = ids[number - 1]
    return _json(
        {"subject": subject, "id": known, "version": number, "schema": _text(found.versions[known])}
    )


def _number(text: str) -> int:
    """A whole number of at most ten digits, 0 for anything else (int() of thousands of digits
    raises).
    """
    return int(text) if len(text) <= 10 and text.isascii() and text.isdigit() else 0


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, separators=(",", ":"))


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type=_MEDIA)


def _error(status: int, code: int, message: str) -> Response:
    return _json({"error_code": code, "message": message}, status)
