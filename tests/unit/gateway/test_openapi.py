"""The OpenAPI document says what the door does: its routes, its answers, its codes."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.asgi import Answered, ask
from tests.support.bodies import BAD_BODIES
from tests.support.builders import NOW_MS, request
from tests.support.fake_door import fake_door
from tests.support.guarded import KeyTopic

from riskstream.domain.contracts.door import door
from riskstream.gateway import registry
from riskstream.gateway.auth.caller import PUBLIC, scope_of
from riskstream.gateway.auth.guard import Access
from riskstream.gateway.core import FILLED
from riskstream.gateway.problem_codes import ALL, RPC
from riskstream.runtime.clock import ManualClock, SystemClock

ROOT = Path(__file__).resolve().parents[3]
GATEWAY = ROOT / "services/riskstream/gateway"
DOCUMENT: dict[str, Any] = json.loads((GATEWAY / "pages/openapi.json").read_text())
APP, _ = fake_door(clock=ManualClock(NOW_MS))
OPERATIONS = {
    (path, method): what
    for path, methods in DOCUMENT["paths"].items()
    for method, what in methods.items()
}
EXAMPLES = [
    (path, media, name, example["value"])
    for (path, method), what in OPERATIONS.items()
    if method == "post"
    for media, content in what["requestBody"]["content"].items()
    for name, example in content["examples"].items()
]


def _fits(schema: dict[str, Any], value: object) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole).validate(value)


def _is_documented(path: str, method: str, found: Answered) -> None:
    """The status, the media type and the body are as the document has them."""
    response = OPERATIONS[path, method]["responses"][str(found.status)]
    media = found.headers["content-type"].partition(";")[0]
    _fits(response["content"][media]["schema"], found.body)
    assert found.headers["x-request-id"]
    for name in ("Retry-After", "Allow", "WWW-Authenticate"):
        assert (name in response["headers"]) >= (name.lower() in found.headers)


def _post(path: str, body: bytes, media: str = "application/json") -> Answered:
    return ask(APP, path, headers=[("Content-Type", media)], body=body)


def _bytes(value: object) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


@pytest.mark.parametrize(("path", "media", "name", "value"), EXAMPLES)
def test_each_example_is_taken(path: str, media: str, name: str, value: object) -> None:
    schema = OPERATIONS[path, "post"]["requestBody"]["content"][media]["schema"]
    _fits(schema, value)
    found = _post(path, _bytes(value), media)
    assert found.status in (200, 202, 207)
    assert found.body.get("refused", 0) == 0
    _is_documented(path, "post", found)


@pytest.mark.parametrize("path", [path for path, _ in OPERATIONS if "{" not in path])
def test_the_example_of_each_answer_fits_its_schema(path: str) -> None:
    for method, what in DOCUMENT["paths"][path].items():
        for each in what["responses"].values():
            for content in each["content"].values():
                if "example" in content:
                    _fits(content["schema"], content["example"])
        if method == "get":
            _is_documented(path, "get", ask(APP, path, method="GET"))


def test_what_is_refused_is_documented() -> None:
    for body, *_ in BAD_BODIES:
        found = _post("/v1/transactions", body)
        assert found.status in (400, 413)
        _is_documented("/v1/transactions", "post", found)
    for path in ("/v1/transactions:batch", "/v1/iso20022", "/v1/labels", "/v1/decisions"):
        for body in (b"", b"{", b"[", b"[]", b"{}", b"<a/>", b"<!DOCTYPE a>", b"\xff"):
            media = "application/xml" if "iso" in path else "application/json"
            _is_documented(path, "post", _post(path, body, media))
            _is_documented(path, "post", _post(path, body, "text/plain"))
    late = ask(APP, "/v1/decisions?deadline_ms=1", body=_bytes(request()))
    _is_documented("/v1/decisions", "post", late)
    card = _post("/v1/labels", _bytes({"label_id": "4111 1111 1111 1111"}))
    assert card.status == 422
    _is_documented("/v1/labels", "post", card)
    _is_documented("/v1/labels", "post", ask(APP, "/v1/labels", method="PUT"))
    path = "/v1/decisions/{transaction_id}"
    asked = {
        "t-1?customer_id=c-1": 200,
        "t-1": 409,
        "t-2": 404,
        "t-1?customer_id=&customer_id=": 400,
    }
    for query, status in asked.items():
        found = ask(APP, f"/v1/decisions/{query}", method="GET")
        assert found.status == status
        _is_documented(path, "get", found)
    for path in ("/schemas/ids/{schema_id}", "/subjects/{subject}/versions"):
        found = ask(APP, re.sub("{.*}", "7", path), method="GET")
        assert found.status == 404
        _is_documented(path, "get", found)


@pytest.mark.parametrize(("reason", "status"), [("id_reused", 422), ("negative_amount", 422)])
def test_what_the_scorer_rejects_is_documented(reason: str, status: int) -> None:
    app, handler = fake_door()
    handler.score |= {"verdict": "REJECTED", "reason": reason}
    found = ask(app, "/v1/decisions", body=_bytes(request()))
    assert found.status == status
    _is_documented("/v1/decisions", "post", found)


def test_it_names_each_route_and_its_scope() -> None:
    there = {
        path: methods
        for path, methods in DOCUMENT["paths"].items()
        if ask(APP, path, method="OPTIONS").status == 204
    }
    assert set(DOCUMENT["paths"]) == set(there)
    patterns = {re.sub("{.*?}", "{}", path) for path in DOCUMENT["paths"]}
    for route in registry.routes():
        assert re.sub("{.*?}", "{}", route.path) in patterns
    for (path, method), what in OPERATIONS.items():
        scope = scope_of(method.upper(), path)
        assert what["security"][0] == {"bearer": [scope]}
        assert f"Scope: `{scope}`" in what["description"]


def test_every_code_of_the_gateway_is_known() -> None:
    """A code stands between quotes after `code=`, or where a refusal is made."""
    written = set()
    for path in [
        *GATEWAY.rglob("*.py"),
        *(ROOT / "services/riskstream/domain/contracts").glob("*"),
    ]:
        if path.is_file() and path.suffix == ".py":
            text = path.read_text()
            written |= set(re.findall(r'code(?:: str)? ?= ?"([a-z-]+)"', text))
            written |= set(re.findall(r'refusal\(\s*"([a-z-]+)"', text))
            written |= set(re.findall(r'_problem\(\d+, "([a-z-]+)"', text))
            written |= set(re.findall(r'fault\(node, "([a-z-]+)"', text))
            written |= set(re.findall(r'(?:_late\(|busy\(.*, )"([a-z-]+)"', text))
    written |= {"no-token-keys", "too-many-connections"}
    assert len(written) > 30
    assert written - set(ALL) == set(RPC)
    page = (ROOT / "docs/grpc.md").read_text()
    assert {each for each in RPC if f"`{each}`" in page} == set(RPC)
    told = set(re.findall(r"urn:riskstream:problem:([a-z-]+)", json.dumps(DOCUMENT)))
    assert set(ALL) <= told


_body = st.fixed_dictionaries(
    {
        name: st.sampled_from([..., None, "", "EUR", "POS", "PURCHASE", "x" * 257, 0, -1, 10**14])
        | st.text(max_size=3)
        | st.integers(-1, 10**5)
        for name in ("transaction_id", "channel", "kind", "amount_minor", "currency", "mcc")
    }
)


@given(_body)
@settings(max_examples=200, deadline=None)
def test_what_the_schema_refuses_the_door_refuses_too(changes: dict[str, Any]) -> None:
    """The other way does not hold: JSON Schema counts characters, and knows no clock."""
    body = request(**changes)
    schema = jsonschema_rs.Draft202012Validator(
        {**DOCUMENT["components"]["schemas"]["Transaction"]}
    )
    if not schema.is_valid(body):
        assert door("transaction.v1", FILLED).read(json.dumps(body).encode(), 2**42)[1]


def test_the_page_and_the_document_need_no_key_and_nothing_else_does_without() -> None:
    from prometheus_client import CollectorRegistry

    app, _ = fake_door(Access(KeyTopic(CollectorRegistry()).live, SystemClock()))
    for path, name in PUBLIC.items():
        found = raw(app, path)
        assert found[0] == 200, path
        assert found[2] == (GATEWAY / "pages" / name).read_bytes()
        policy = found[1]["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    for path in ("/docs/", "/docs/x", "/openapi.json/", "/v1/decisions", "/subjects"):
        assert ask(app, path, method="GET").status == 401, path
    assert ask(app, "/docs", method="POST").status == 405


def raw(app: Any, path: str) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of a GET of what may be no JSON."""
    import asyncio

    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent)


def test_the_page_asks_nobody_else_and_writes_no_html_of_what_it_is_told() -> None:
    for name in ("docs.html", "docs.css", "docs.js"):
        text = (GATEWAY / "pages" / name).read_text()
        assert not re.search(r"https?:|//[a-z]+\.|innerHTML|eval\(|style=|onclick", text), name
