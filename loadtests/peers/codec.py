"""Frames by fastavro, as a peer without the product's contracts would read and write them."""

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def _schema(name: str) -> Any:
    """The schema without logical types: instants stay integers, which is faster."""
    text = (SCHEMAS / f"{name}.avsc").read_text()
    return fastavro.parse_schema(
        json.loads(text, object_hook=lambda d: {k: v for k, v in d.items() if k != "logicalType"})
    )


def reader() -> Callable[[bytes], dict[str, Any]]:
    """From a frame of transactions.v1 to its record."""
    schema = _schema("transaction.v1")
    schemaless_reader, bytes_io = fastavro.schemaless_reader, io.BytesIO

    def read(frame: bytes) -> dict[str, Any]:
        if frame[0] != 0:
            raise ValueError("not Confluent framing")
        record: dict[str, Any] = schemaless_reader(bytes_io(frame[5:]), schema, None)
        return record

    return read


def writer(score_schema_id: int) -> Callable[[dict[str, Any]], bytes]:
    """From a record to a frame of scores.v1."""
    schema = _schema("score.v1")
    head = struct.pack(">bI", 0, score_schema_id)
    schemaless_writer, bytes_io = fastavro.schemaless_writer, io.BytesIO

    def write(record: dict[str, Any]) -> bytes:
        out = bytes_io()
        out.write(head)
        schemaless_writer(out, schema, record)
        return out.getvalue()

    return write


def score_record(
    transaction: dict[str, Any],
    src: int,
    prev: int,
    appended_at: int,
    features: list[float],
    score: float,
    decision: str,
) -> dict[str, Any]:
    """What the lane writes of a good record."""
    return {
        "src": src,
        "prev": prev,
        "src_appended_at": appended_at,
        "verdict": "GOOD",
        "reason": None,
        "reject_rules_version": 1,
        "transaction_id": transaction["transaction_id"],
        "customer_id": transaction["customer_id"],
        "occurred_at": transaction["occurred_at"],
        "base_amount_minor": transaction["base_amount_minor"],
        "base_currency": transaction["base_currency"],
        "score": score,
        "decision": decision,
        "reasons": [],
        "flags": [],
        "model_version": "peer",
        "feature_set": "standard.v1",
        "features": features,
    }
