"""Dead letters: the original bytes of a rejected record, with headers that say where it stood and
why.
"""

from riskstream.domain.contracts import writers
from riskstream.domain.contracts.catalog import contract, topics
from riskstream.domain.contracts.resolution import problems

MAX_DETAIL = 500
"""Most characters of a detail."""

REASON_TEXT = {
    "empty": "the value is empty",
    "short": "the value has fewer than the 5 bytes of a frame's header",
    "bad_magic": "the first byte is not 0: this is not Confluent framing (JSON, or raw Avro?)",
    "unknown_schema": (
        "neither riskstream nor a registry knows the schema id as a version of this contract"
    ),
    "incompatible_schema": (
        "the schema of that id cannot be read as the contract: by name, or field by field"
    ),
    "truncated": "the body ends early or is not Avro of that schema",
    "trailing_bytes": "bytes follow the record",
    "bad_text": "a text is not UTF-8",
    "too_large": "the value has more than 65,536 bytes: no transaction is that large",
    "null_key": "the record has no key; the key is customer_id",
    "key_differs": "the key is not the customer_id of the body",
    "no_id": "transaction_id or customer_id is empty or longer than 256 bytes",
    "amount_out_of_range": "an amount is below 0 or above 10^13 minor units",
    "bad_currency": "a currency is not three capital letters",
    "bad_mcc": "the merchant category code is not 0 to 9999",
    "occurred_at_out_of_range": (
        "the event time is before 1971 or more than 5 minutes after the append time"
    ),
    "text_too_long": (
        "a text has more bytes than its field's maxBytes (schemas/transaction.v1.avsc)"
    ),
    "bad_country": "the country is not two capital letters",
    "out_of_bounds": (
        "a text, number or list breaks a bound of its contract (of a label: schemas/label.v1.avsc)"
    ),
    "other_base_currency": (
        "base_currency is not the installation's (setting base_currency), in which all amounts "
        "are summed"
    ),
    "corrects_itself": (
        "corrects is the transaction's own transaction_id: it names the one that this one replaces"
    ),
    "id_reused": (
        "the customer's transaction_id came before, within 24 hours of event time, with "
        "another body"
    ),
}
"""Every reject reason with its meaning; docs/rejects.md is made from it."""


def detail_of(topic: str, reason: str, frame: bytes | None) -> str:
    """What a reason means; of a schema, which one it was and what is wrong with it."""
    meaning = REASON_TEXT.get(reason, "")
    name = topics()[topic].contract if topic in topics() else None
    if reason not in ("unknown_schema", "incompatible_schema") or not frame or name is None:
        return meaning
    known = int.from_bytes(frame[1:5], "big")
    found = writers.find_other(known)
    if not isinstance(found, dict):
        return f"schema id {known}: {found.detail if found is not None else meaning}"
    try:
        wrong = "; ".join(map(str, problems(contract(name).schema, found)))
    except ValueError as error:
        wrong = str(error)
    return f"schema id {known} cannot be read as {name}: {wrong}"[:MAX_DETAIL]


def dead_letter_headers(
    topic: str, partition: int, offset: int, reason: str, frame: bytes | None = None
) -> list[tuple[str, bytes]]:
    """Headers of a dead letter: source position, reason code, meaning. `frame`: its bytes, where
    they can say more.
    """
    return [
        ("riskstream-topic", topic.encode()),
        ("riskstream-partition", str(partition).encode()),
        ("riskstream-offset", str(offset).encode()),
        ("riskstream-reason", reason.encode()),
        ("riskstream-detail", detail_of(topic, reason, frame).encode()),
    ]
