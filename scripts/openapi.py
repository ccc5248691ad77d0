"""Writes services/riskstream/gateway/pages/openapi.json from the schemas and the door's rules, and
the bodies that the Python client takes; with --check fails where a file is not what it would write.
"""

import json
import sys
import textwrap
from http import HTTPStatus
from pathlib import Path
from typing import Any

from openapi_routes import PAYMENT, ROOT, Route, posted, read

from riskstream.domain.contracts.catalog import topics
from riskstream.domain.contracts.door import MAX_FAULTS
from riskstream.domain.contracts.json_schema import body_schema, field_schema
from riskstream.gateway.auth.caller import SCOPES
from riskstream.gateway.core import FILLED
from riskstream.gateway.problem_codes import ALL
from riskstream.gateway.reading import LEAST_DEADLINE_MS
from riskstream.gateway.settings import GatewaySettings

PACKAGE = ROOT / "services/riskstream"
PROBLEM = "application/problem+json"
_REGISTRY = "application/vnd.schemaregistry.v1+json"
_ABOUT = """One payment in, one decision out, within a deadline that you name.

Send an API key (`rsk_…`) or a token as `Authorization: Bearer`, or a key as `X-API-Key`. A gateway
with `--auth none`, as in the demo, asks for neither.

A refusal is `application/problem+json` (RFC 9457), and nothing of a refused body reaches Kafka.
After 429, 500, 503 and a broken connection, send the same body with the same ids again.

`/livez`, `/readyz` and `/metrics` are not on this port. They are on the telemetry port
(`--telemetry-port`), and ask nobody."""
_PLACE = {
    "partition": {"type": "integer", "minimum": 0, "description": "Partition of the record."},
    "offset": {"type": "integer", "minimum": 0, "description": "Offset of the record."},
}
_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}


def document() -> dict[str, Any]:
    """The whole of it."""
    paths: dict[str, dict[str, Any]] = {}
    for route in (*posted(), *read()):
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "riskstream gateway",
            "version": "1",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "the gateway that serves this page"}],
        "security": [{"bearer": []}, {"apiKey": []}, {"certificate": []}, {}],
        "tags": [
            {"name": "decisions", "description": "Decisions on transactions."},
            {"name": "transactions", "description": "Transactions without waiting for a score."},
            {"name": "labels", "description": "What transactions turned out to be."},
            {"name": "schemas", "description": "The schemas of all topics, as a registry."},
        ],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "parameters": _parameters(),
            "headers": _headers(),
            "securitySchemes": _security(),
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    every = ("X-Request-Id", "traceparent")
    out: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "description": f"{route.text}\n\nScope: `{route.scope}`.".strip(),
        "security": [{name: [route.scope]} for name in _security()] + [{}],
        "parameters": [{"$ref": f"#/components/parameters/{each}"} for each in route.asks + every],
    }
    if route.body:
        examples = {
            name: {"summary": name.replace("_", " "), "value": value}
            for name, value in route.examples.items()
        }
        content = {"schema": _ref(route.body), "examples": examples}
        out["requestBody"] = {"required": True, "content": {route.media: content}}
    good = {
        "description": route.summary,
        "headers": _header_refs(
            *("X-Request-Id", "RateLimit", "RateLimit-Policy"),
            *(["Idempotent-Replayed"] if "Idempotency-Key" in route.asks else []),
        ),
        "content": {
            route.answer_media: {"schema": _ref(route.answer), "example": route.told},
        },
    }
    return {**out, "responses": {str(route.status): good, **_refusals(route)}}


def _refusals(route: Route) -> dict[str, Any]:
    """A response a status, with the codes that it may have on this route."""
    found: dict[int, list[str]] = {}
    for code, known in route.problems.items():
        found.setdefault(known.status, []).append(code)
    found[405] = ["http"]
    out = {}
    for status, codes in sorted(found.items()):
        words = "\n".join(f"- `{code}`: {route.problems[code].when}" for code in sorted(codes))
        kinds = [f"urn:riskstream:problem:{code}" for code in sorted(codes)]
        schema: dict[str, Any] = {
            "allOf": [
                _ref("Problem"),
                {"properties": {"type": {"enum": kinds}, "status": {"const": status}}},
            ]
        }
        content: dict[str, Any] = {PROBLEM: {"schema": schema}}
        if status == 404 and route.answer_media == _REGISTRY:
            content[_REGISTRY] = {"schema": _ref("RegistryError")}
        names = ["X-Request-Id", "RateLimit", "RateLimit-Policy", *_BY_STATUS.get(status, ())]
        out[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}\n\n{words}",
            "headers": _header_refs(*names),
            "content": content,
        }
    return out


_BY_STATUS = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _header_refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _default(name: str) -> Any:
    return GatewaySettings.model_fields[name].default


def _schemas() -> dict[str, Any]:
    transaction = body_schema("transaction.v1", FILLED)
    return {
        "Transaction": {**transaction, "examples": [PAYMENT]},
        "Transactions": {
            "type": "array",
            "items": _ref("Transaction"),
            "maxItems": _default("max_batch_items"),
            "description": f"At most {_default('max_batch_items'):,} transactions in at most "
            f"{_default('max_batch_bytes'):,} bytes, unless the gateway's settings say otherwise.",
        },
        "Label": body_schema("label.v1", ("known_at", "base_currency")),
        "Iso20022": {"type": "string", "description": "pacs.008 or pain.001 as XML in UTF-8."},
        "Decision": _decision(),
        "Told": _told(),
        "Accepted": _object({"transaction_id": _TEXT, **_PLACE}),
        "AcceptedLabel": _object({"label_id": _TEXT, **_PLACE}),
        "Batch": _object(
            {
                "accepted": _COUNT,
                "refused": _COUNT,
                "items": {"type": "array", "items": _ref("BatchItem")},
            }
        ),
        "BatchItem": _item("index"),
        "Message": _object(
            {
                "message": _TEXT,
                "message_id": _TEXT,
                "transactions": _COUNT,
                "accepted": _COUNT,
                "items": {"type": "array", "items": _ref("MessageItem")},
                "left_out": {
                    "type": "array",
                    "items": _object({"path": _TEXT, "count": _COUNT}),
                },
            }
        ),
        "MessageItem": _item("number"),
        "Problem": _problem(),
        "Fault": _object(
            {
                "path": {"type": "string", "description": "JSONPath, or XPath of XML."},
                "code": {"type": "string", "description": "What kind of fault it is."},
                "detail": {"type": "string", "description": "What is wrong."},
                "allowed": {"type": "string", "description": "What would be right."},
            },
            "allowed",
        ),
        **_registry(),
    }


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    needed = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": needed}


def _decision() -> dict[str, Any]:
    of_answer = {each: field_schema("answer.v1", each) for each in ("rung", "decision")}
    of_score = {
        each: field_schema("score.v1", each)
        for each in ("score", "reasons", "flags", "verdict", "model_version")
    }
    of_score["verdict"]["type"] = ["string", "null"]
    of_score["verdict"]["enum"].append(None)
    of_score["score"] |= {"minimum": 0, "maximum": 1}
    place = {name: {**each, "type": ["integer", "null"]} for name, each in _PLACE.items()}
    elapsed = {"type": "number", "minimum": 0, "description": "Time that it took, ms."}
    return _object(
        {"transaction_id": _TEXT, **of_answer, **of_score, **place, "elapsed_ms": elapsed}
    )


def _told() -> dict[str, Any]:
    """What is kept of a decision: the score that came too late stands beside it."""
    told = _decision()
    late = {name: told["properties"][name] for name in ("decision", "score", "verdict")}
    told["properties"]["late_score"] = _object(late)
    return {**told, "description": "What the caller was told."}


def _item(number: str) -> dict[str, Any]:
    """One of many: accepted with its place, or refused as a problem."""
    known: dict[str, Any] = {number: _COUNT, "transaction_id": _TEXT}
    accepted = _object({**known, "status": {"const": 202}, **_PLACE})
    refused = {
        "allOf": [_ref("Problem"), _object(known, "transaction_id")],
        "properties": {"status": {"not": {"const": 202}}},
    }
    return {"anyOf": [accepted, refused]}


def _problem() -> dict[str, Any]:
    return _object(
        {
            "type": {
                "type": "string",
                "enum": [f"urn:riskstream:problem:{code}" for code in sorted(ALL)],
                "description": "What went wrong, for programs.",
            },
            "title": {"type": "string", "description": "The same for people, in short."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What is wrong here, and what to do."},
            "errors": {
                "type": "array",
                "items": _ref("Fault"),
                "maxItems": MAX_FAULTS,
                "description": "All that is wrong with the body.",
            },
            "transaction_id": _TEXT,
            "reason": {"type": "string", "description": "Why the scorer rejected it."},
            "request_id": {"type": "string", "description": "The id of a request that failed."},
            "scope": {"type": "string", "description": "The scope that is needed."},
        },
        *("errors", "transaction_id", "reason", "request_id", "scope"),
    )


def _registry() -> dict[str, Any]:
    number = {"type": "integer", "minimum": 1}
    schema = {"type": "string", "description": "An Avro schema as JSON."}
    return {
        "Subjects": {"type": "array", "items": _TEXT},
        "Versions": {"type": "array", "items": number},
        "Version": _object({"subject": _TEXT, "id": number, "version": number, "schema": schema}),
        "Schema": _object({"schema": schema}),
        "Types": {"type": "array", "items": _TEXT},
        "RegistryError": _object({"error_code": {"type": "integer"}, "message": _TEXT}),
    }


def _parameters() -> dict[str, Any]:
    deadline = {
        "type": "integer",
        "minimum": LEAST_DEADLINE_MS,
        "maximum": _default("max_deadline_ms"),
        "default": _default("deadline_ms"),
    }
    subjects = sorted(each.subject for each in topics().values() if each.contract)
    return {
        "X-Deadline-Ms": _parameter(
            "header", "X-Deadline-Ms", "Answer within so many ms.", deadline, 150
        ),
        "deadline_ms": _parameter(
            "query", "deadline_ms", "The same, where the header is not sent.", deadline, 500
        ),
        "Idempotency-Key": _parameter(
            "header",
            "Idempotency-Key",
            "A name of this request: a repeat with the same is done once.",
            {"type": "string"},
            "order-1001",
        ),
        "X-Request-Id": _parameter(
            "header",
            "X-Request-Id",
            "1 to 128 letters, digits or ._:/+=@- that the answer repeats; another one is "
            "replaced.",
            {"type": "string"},
            "my-request-7",
        ),
        "traceparent": _parameter(
            "header",
            "traceparent",
            "W3C trace context. One that is wrong is left out.",
            {"type": "string"},
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        "transaction_id": _parameter(
            "path", "transaction_id", "Id of the transaction.", _NAME, "t-1001"
        ),
        "customer_id": _parameter(
            "query", "customer_id", "Customer of the transaction.", _NAME, "c-1"
        ),
        "subject": _parameter(
            "path", "subject", "A topic with `-value`.", {"type": "string"}, subjects[0]
        ),
        "version": _parameter(
            "path", "version", "A number from 1, or `latest`.", {"type": "string"}, "latest"
        ),
        "schema_id": _parameter(
            "path", "schema_id", "Id of a schema.", {"type": "integer", "minimum": 1}, 7
        ),
    }


_NAME = {"type": "string", "minLength": 1, "maxLength": 256}


def _parameter(
    where: str, name: str, text: str, schema: dict[str, Any], example: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": text,
        "schema": schema,
        "example": example,
    }


def _headers() -> dict[str, Any]:
    texts = {
        "X-Request-Id": "The caller's, or a new one.",
        "RateLimit": "What is left of the caller's limit (draft-ietf-httpapi-ratelimit-headers).",
        "RateLimit-Policy": "The caller's limit.",
        "Retry-After": "Seconds until it is worth trying again.",
        "WWW-Authenticate": "What would be right (RFC 6750).",
        "Allow": "Methods of the path.",
        "Idempotent-Replayed": "`true` where it was done before, and is answered again.",
    }
    out: dict[str, Any] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()
    }
    out["Retry-After"]["schema"] = {"type": "string", "pattern": "^[0-9]+$"}
    return out


def _security() -> dict[str, Any]:
    scopes = ", ".join(f"`{name}` ({what})" for name, what in SCOPES.items())
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": f"An API key, or a token of your identity provider. Scopes: {scopes}.",
        },
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "An API key of `riskstream keys create`.",
        },
        "certificate": {
            "type": "mutualTLS",
            "description": "A certificate whose subject the gateway knows.",
        },
    }


_BODIES = (
    '"""The bodies that the client takes. Made by `make gen`: change a schema, not this file."""\n'
)
_PYTHON = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


def bodies() -> str:
    """The bodies as TypedDicts; what may be left out may be None too, as the client leaves it
    out.
    """
    out = [_BODIES, "from typing import Literal, NotRequired, TypedDict\n"]
    for name in ("Transaction", "Label"):
        schema = _schemas()[name]
        out += [f"\nclass {name}Body(TypedDict):", _quoted(schema["description"]) + "\n"]
        for field, each in schema["properties"].items():
            types = each["type"] if isinstance(each["type"], list) else [each["type"]]
            kind = _PYTHON[types[0]]
            if "enum" in each:
                kind = f"Literal{json.dumps([word for word in each['enum'] if word])}"
            is_needed = field in schema["required"]
            kind = kind if is_needed else f"NotRequired[{kind} | None]"
            out += [f"    {field}: {kind}", _quoted(each["description"])]
        out.append("")
    return "\n".join(out).rstrip("\n") + "\n"


def _quoted(text: str) -> str:
    """As a docstring, its closing quotes on a line of their own where it has several."""
    lines = textwrap.wrap(text, 88)
    between = "" if len(lines) == 1 else "\n    "
    return '    """' + "\n    ".join(lines) + f'{between}"""'


def files() -> dict[Path, str]:
    """Text of each file by its path."""
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    return {PACKAGE / "gateway/pages/openapi.json": text, PACKAGE / "client/bodies.py": bodies()}


def main() -> int:
    stale = [
        path for path, text in files().items() if not path.exists() or path.read_text() != text
    ]
    if "--check" not in sys.argv:
        for path in stale:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files()[path])
        return 0
    for path in stale:
        print(
            f"error: {path.name} is not what its source says (scripts/openapi.py): run make gen",
            file=sys.stderr,
        )
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
