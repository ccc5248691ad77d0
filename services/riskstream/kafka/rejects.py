"""Dead letters: the original bytes of a rejected record, with headers that say where it stood and why."""

REASON_TEXT = {
    "empty": "the value is empty",
    "short": "the value has fewer than the 5 bytes of a frame's header",
    "bad_magic": "the first byte is not 0: this is not Confluent framing (JSON, or raw Avro?)",
    "unknown_schema": "the schema id is of no known version of the contract",
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
    "occurred_at_out_of_range": "the event time is before 1971 or more than 5 minutes after the append time",
    "text_too_long": "a text has more bytes than its field's maxBytes (schemas/transaction.v1.avsc)",
    "bad_country": "the country is not two capital letters",
}
"""Every reject reason with its meaning; docs/rejects.md is made from it."""


def dead_letter_headers(topic: str, partition: int, offset: int, reason: str) -> list[tuple[str, bytes]]:
    """Headers of a dead letter: source position, reason code, meaning."""
    return [
        ("riskstream-topic", topic.encode()),
        ("riskstream-partition", str(partition).encode()),
        ("riskstream-offset", str(offset).encode()),
        ("riskstream-reason", reason.encode()),
        ("riskstream-detail", REASON_TEXT.get(reason, "").encode()),
    ]
