"""Every problem that the gateway answers with: its status, and what it means to a caller. Data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """What a code says: the status of its answer, and when it comes."""

    status: int
    when: str


FIELDS = {
    "missing-field": Known(400, "a needed field is missing"),
    "unknown-field": Known(400, "the contract has no such field"),
    "invalid-field": Known(400, "a field has a value that the contract does not allow"),
    "duplicate-key": Known(400, "a key appears twice"),
    "bad-time": Known(400, "a time is no time, or more than 5 minutes ahead"),
    "unknown-currency": Known(400, "the gateway has no exchange rate for the currency"),
    "other-base-currency": Known(400, "base amounts are in another currency here"),
    "corrects-itself": Known(400, "a transaction names itself in corrects"),
    "invalid-body": Known(400, "several things are wrong, and `errors` names them"),
}
"""What may be wrong with fields."""
JSON = {
    "empty-body": Known(400, "the body is empty"),
    "malformed-json": Known(400, "the body is not JSON in UTF-8"),
}
"""Of bodies of JSON, whatever is in them."""
ONE = {"not-an-object": Known(400, "the body is not a JSON object")}
"""Of bodies with one record."""
MANY = {
    "not-an-array": Known(400, "the body is not a JSON array of objects"),
    "too-many-items": Known(400, "the array has more than `max_batch_items`"),
}
"""Of bodies with many."""
XML = {
    "empty-body": Known(400, "the body is empty"),
    "malformed-xml": Known(400, "the body is not XML"),
    "xml-encoding": Known(400, "the body is not XML 1.0 in UTF-8"),
    "xml-document-type": Known(400, "the body has a document type, which is never read"),
    "xml-limit": Known(400, "the message is too deep, or has too long texts or too many names"),
    "wrong-message": Known(400, "it is no message that the gateway has a mapping for"),
    "duplicate-element": Known(400, "an element appears twice"),
    "misplaced-element": Known(400, "an element comes after the transactions"),
    "mixed-content": Known(400, "text stands beside elements"),
    "no-transaction": Known(400, "the message has no transaction"),
    "wrong-total": Known(400, "a number or sum of the header does not fit"),
    "missing-field": FIELDS["missing-field"],
    "invalid-field": FIELDS["invalid-field"],
    "invalid-body": FIELDS["invalid-body"],
}
"""Of messages of ISO 20022 as a whole."""
XML_ITEM = {"duplicate-transaction": Known(400, "the message has the transaction twice")}
"""Of one transaction of such a message."""
BODY = {
    "body-too-large": Known(413, "the body has more bytes than the route takes"),
    "media-type": Known(415, "the body is of another media type"),
    "content-encoding": Known(415, "the body is compressed"),
}
"""Of every route with a body."""
KAFKA = {"unavailable": Known(503, "Kafka did not take the record in time")}
BULK = {"overloaded": Known(429, "too many bodies of many transactions at a time")}
DEADLINE = {"bad-deadline": Known(400, "the deadline is no whole number from 20 to 5,000")}
SCORER = {"rejected": Known(422, "the scorer rejected it, and `reason` says why")}
"""What a decision may end with."""
ONCE = {
    "bad-idempotency-key": Known(400, "the Idempotency-Key is given twice, or has another form"),
    "key-reused": Known(422, "the Idempotency-Key was used with another body"),
    "id-reused": Known(422, "the transaction id was used with another body"),
    "under-way": Known(503, "the same transaction came a moment ago and is not answered yet"),
}
"""Of what is published once."""
LOOKED_UP = {
    "bad-customer": Known(400, "customer_id is given more than once"),
    "unknown-decision": Known(404, "no decision on this transaction is kept"),
    "which-customer": Known(409, "several customers have this transaction id: name one"),
}
"""What looking up a decision may end with."""
CALLER = {
    "card-number": Known(422, "a card number stands in the request: send a token"),
    "no-credentials": Known(401, "nothing says who calls"),
    "bad-credentials": Known(401, "the key or token lets nobody in"),
    "missing-scope": Known(403, "the caller's scopes do not allow this"),
    "rate-limited": Known(429, "the caller has sent as many requests as it may"),
    "no-token-keys": Known(503, "the keys that sign tokens are not known yet"),
}
"""Of every route that asks who calls."""
CONNECTION = {
    "malformed-request": Known(400, "the request is not HTTP"),
    "too-many-frames": Known(
        429, "the connection sent too many frames of HTTP/2 that carry nothing"
    ),
    "slow-request": Known(408, "the request did not arrive in time"),
    "target-too-long": Known(414, "the first line is too long"),
    "headers-too-large": Known(431, "the headers are too large"),
    "too-many-pipelined": Known(429, "too many requests were sent ahead of their answers"),
    "too-many-connections": Known(503, "too many connections are open"),
    "internal": Known(500, "the fault is the gateway's: try again with the same ids"),
}
"""Of every request, before a route sees it or where one fails."""
ROUTES = {"http": Known(404, "no such path; with 405, another method is in Allow")}

ALL = (
    FIELDS | JSON | ONE | MANY | XML | XML_ITEM | BODY | KAFKA | BULK | DEADLINE | SCORER
    | ONCE | LOOKED_UP | CALLER | CONNECTION | ROUTES
)  # fmt: skip
"""All of HTTP by code."""
RPC = {
    "malformed-message": Known(400, "the bytes are no such message of protobuf"),
    "idle-stream": Known(408, "nothing came in the stream for long"),
    "slow-reader": Known(408, "the receipts of the stream were not read"),
    "ending": Known(503, "the gateway ends: send the rest in a new stream"),
}
"""Of gRPC alone, which has those of HTTP too."""
