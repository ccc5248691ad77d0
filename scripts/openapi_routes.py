"""The gateway's routes as data, for scripts/openapi.py: what each takes, answers and refuses."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from riskstream.gateway.problem_codes import (
    BODY,
    BULK,
    CALLER,
    CONNECTION,
    DEADLINE,
    FIELDS,
    JSON,
    KAFKA,
    LOOKED_UP,
    MANY,
    ONCE,
    ONE,
    ROUTES,
    SCORER,
    XML,
    Known,
)

ROOT = Path(__file__).resolve().parent.parent
AT_MS = 1_717_236_000_000
_JSON = "application/json"
EVERY = CALLER | CONNECTION | ROUTES
RECORD = EVERY | BODY | JSON | ONE | FIELDS | KAFKA | ONCE

PAYMENT = {
    "transaction_id": "t-1001",
    "customer_id": "c-1",
    "account_token": "tok-1",
    "channel": "ECOM",
    "kind": "PURCHASE",
    "amount_minor": 1999,
    "currency": "EUR",
    "occurred_at": AT_MS,
}
AT_A_TERMINAL = {
    **PAYMENT,
    "transaction_id": "t-1002",
    "channel": "POS",
    "amount_minor": 450,
    "terminal_id": "term-9",
    "merchant_id": "m-7",
    "mcc": 5411,
    "country": "BE",
}
IN_ANOTHER_CURRENCY = {
    **PAYMENT,
    "transaction_id": "t-1003",
    "amount_minor": 2500,
    "currency": "USD",
    "base_amount_minor": 2310,
    "base_currency": "EUR",
}
LABEL = {
    "label_id": "l-1",
    "transaction_id": "t-1002",
    "customer_id": "c-1",
    "outcome": "FRAUD",
    "source": "CHARGEBACK",
    "occurred_at": AT_MS,
    "terminal_id": "term-9",
}
DECISION = {
    "transaction_id": "t-1001",
    "rung": "SCORE",
    "decision": "APPROVE",
    "score": 0.0123,
    "reasons": [],
    "flags": [],
    "verdict": "GOOD",
    "model_version": "2024-06-01",
    "partition": 2,
    "offset": 118,
    "elapsed_ms": 4.2,
}
ACCEPTED = {"transaction_id": "t-1001", "partition": 2, "offset": 118}
KIND = "urn:riskstream:problem:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation. `body` and `answer` name schemas of the document's components; `asks` are
    parameters by name; `told` is an example of the answer.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    text: str = ""
    scope: str
    status: int = 200
    answer: str
    told: Any
    answer_media: str = _JSON
    body: str = ""
    media: str = _JSON
    examples: dict[str, Any] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    problems: dict[str, Known] = field(default_factory=dict)


def xml_example() -> str:
    """The message of docs/iso20022.md."""
    page = (ROOT / "docs/iso20022.md").read_text()
    [found] = re.findall(r"```xml\n(.*?)```", page, re.DOTALL)
    return str(found)


def posted() -> tuple[Route, ...]:
    """What is sent to the gateway."""
    return (
        Route(
            method="post",
            path="/v1/decisions",
            name="decide",
            tag="decisions",
            summary="Ask for a decision",
            text="Answered within the deadline, whatever is broken: by the score, or else by the "
            "ladder, and `rung` says which. What you are told is kept in `answers.v1`. The flag "
            "`not_recorded` means: send the same body again.",
            scope="decisions:write",
            answer="Decision",
            told=DECISION,
            body="Transaction",
            examples={"online": PAYMENT, "terminal": AT_A_TERMINAL},
            asks=("X-Deadline-Ms", "deadline_ms", "Idempotency-Key"),
            problems=RECORD | DEADLINE | SCORER,
        ),
        Route(
            method="post",
            path="/v1/transactions",
            name="accept",
            tag="transactions",
            summary="Send a transaction",
            text="202 once every in-sync replica of the broker has the record.",
            scope="transactions:write",
            status=202,
            answer="Accepted",
            told=ACCEPTED,
            body="Transaction",
            examples={"terminal": AT_A_TERMINAL, "another_currency": IN_ANOTHER_CURRENCY},
            asks=("Idempotency-Key",),
            problems=RECORD,
        ),
        Route(
            method="post",
            path="/v1/transactions:batch",
            name="accept_many",
            tag="transactions",
            summary="Send many transactions",
            text="Each item has a status of its own, in the order of the body. Send those with "
            "status 503 again.",
            scope="transactions:write",
            answer="Batch",
            told={
                "accepted": 1,
                "refused": 1,
                "items": [
                    {"index": 0, "status": 202, **ACCEPTED},
                    {
                        "index": 1,
                        "status": 400,
                        "type": f"{KIND}missing-field",
                        "title": "The body is not valid",
                        "detail": "the field kind is missing",
                        "errors": [
                            {
                                "path": "$.kind",
                                "code": "missing-field",
                                "detail": "the field kind is missing",
                                "allowed": "one of PURCHASE, REFUND, CASH, TRANSFER",
                            }
                        ],
                    },
                ],
            },
            body="Transactions",
            examples={"two": [{**PAYMENT, "transaction_id": "t-1004"}, AT_A_TERMINAL]},
            asks=("Idempotency-Key",),
            problems=EVERY | BODY | JSON | MANY | BULK | KAFKA | ONCE,
        ),
        Route(
            method="post",
            path="/v1/labels",
            name="label",
            tag="labels",
            summary="Say what a transaction turned out to be",
            text="202 once every in-sync replica of the broker has the label.",
            scope="labels:write",
            status=202,
            answer="AcceptedLabel",
            told={"label_id": "l-1", "partition": 2, "offset": 7},
            body="Label",
            examples={"fraud": LABEL, "genuine": {**LABEL, "label_id": "l-2"} | _GENUINE},
            asks=("Idempotency-Key",),
            problems=RECORD,
        ),
        Route(
            method="post",
            path="/v1/iso20022",
            name="iso20022",
            tag="transactions",
            summary="Send a message of ISO 20022",
            text="pacs.008 or pain.001 with one or many credit transfers. `left_out` lists what "
            "the mapping does not use.",
            scope="transactions:write",
            status=207,
            answer="Message",
            told={
                "message": "pacs.008.001.08",
                "message_id": "M-1",
                "transactions": 1,
                "accepted": 1,
                "items": [
                    {
                        "number": 1,
                        "transaction_id": "7a562c67-ca16-48ba-b074-65581be6f001",
                        "status": 202,
                        "partition": 1,
                        "offset": 20,
                    }
                ],
                "left_out": [{"path": "CdtTrfTxInf/Dbtr/Nm", "count": 1}],
            },
            body="Iso20022",
            media="application/xml",
            examples={"pacs008": xml_example()},
            problems=EVERY | BODY | XML | BULK | KAFKA,
        ),
    )


_GENUINE = {"outcome": "GENUINE", "source": "ANALYST"}
_REGISTRY = "application/vnd.schemaregistry.v1+json"


def read() -> tuple[Route, ...]:
    """What is read from it."""
    subject = "scores.v1-value"
    return (
        Route(
            method="get",
            path="/v1/decisions/{transaction_id}",
            name="decision",
            tag="decisions",
            summary="Look up a decision",
            text="What the caller was told, for at least 24 hours. `late_score` is the score that "
            "came after that. Without `customer_id` the id must be that of one customer alone.",
            scope="decisions:read",
            answer="Told",
            told=DECISION,
            asks=("transaction_id", "customer_id"),
            problems=EVERY | LOOKED_UP | SCORER,
        ),
        Route(
            method="get",
            path="/subjects",
            name="subjects",
            tag="schemas",
            summary="List the subjects of schemas",
            text="These five answer as a schema registry does.",
            scope="registry:read",
            answer="Subjects",
            told=["scores.v1-value", "transactions.v1-value"],
            answer_media=_REGISTRY,
            problems=EVERY,
        ),
        Route(
            method="get",
            path="/subjects/{subject}/versions",
            name="versions",
            tag="schemas",
            summary="List the versions of a subject",
            scope="registry:read",
            answer="Versions",
            told=[1, 2],
            answer_media=_REGISTRY,
            asks=("subject",),
            problems=EVERY,
        ),
        Route(
            method="get",
            path="/subjects/{subject}/versions/{version}",
            name="version",
            tag="schemas",
            summary="Read a version of a subject",
            scope="registry:read",
            answer="Version",
            told={"subject": subject, "id": 7, "version": 1, "schema": '{"type":"record"}'},
            answer_media=_REGISTRY,
            asks=("subject", "version"),
            problems=EVERY,
        ),
        Route(
            method="get",
            path="/schemas/ids/{schema_id}",
            name="schema",
            tag="schemas",
            summary="Read a schema by its id",
            scope="registry:read",
            answer="Schema",
            told={"schema": '{"type":"record"}'},
            answer_media=_REGISTRY,
            asks=("schema_id",),
            problems=EVERY,
        ),
        Route(
            method="get",
            path="/schemas/types",
            name="types",
            tag="schemas",
            summary="List the kinds of schemas",
            scope="registry:read",
            answer="Types",
            told=["AVRO"],
            answer_media=_REGISTRY,
            problems=EVERY,
        ),
    )
