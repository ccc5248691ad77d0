"""The generated proto: what protoc makes of it is what the gateway speaks; no number changes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from tests.support.rpc_server import rpc_running

from riskstream.domain.contracts.catalog import shipped
from riskstream.domain.contracts.proto_model import (
    Numbers,
    gateway_file,
    grown,
    numbers_file,
    proto_file,
)
from riskstream.domain.contracts.proto_text import proto_text
from riskstream.gateway.rpc.messages import FILE, descriptor

FIRST: Numbers = {
    "Transaction": {
        "transaction_id": 1, "customer_id": 2, "account_token": 3, "terminal_id": 4,
        "merchant_id": 5, "mcc": 6, "country": 7, "channel": 8, "kind": 9, "amount_minor": 10,
        "currency": 11, "base_amount_minor": 12, "base_currency": 13, "rates_version": 14,
        "device_id": 15, "counterparty_id": 16, "occurred_at": 17, "corrects": 18,
    },
    "Label": {
        "label_id": 1, "transaction_id": 2, "customer_id": 3, "outcome": 4, "source": 5,
        "occurred_at": 6, "known_at": 7, "loss_minor": 8, "base_currency": 9, "terminal_id": 10,
        "device_id": 11,
    },
    "Channel": {"UNKNOWN": 0, "POS": 1, "ECOM": 2, "ATM": 3, "MOBILE": 4, "BRANCH": 5},
    "Kind": {"UNKNOWN": 0, "PURCHASE": 1, "REFUND": 2, "CASH": 3, "TRANSFER": 4},
    "Outcome": {"UNKNOWN": 0, "FRAUD": 1, "GENUINE": 2},
    "LabelSource": {"UNKNOWN": 0, "CHARGEBACK": 1, "ANALYST": 2, "CUSTOMER": 3, "IMPORT": 4},
    "Decision": {"UNKNOWN": 0, "APPROVE": 1, "REVIEW": 2, "BLOCK": 3},
    "Rung": {"UNKNOWN": 0, "SCORE": 1, "RULES": 2, "AMOUNT": 3},
}  # fmt: skip
"""Numbers of the first release: callers were built with them. Never change one."""
WRITTEN = {
    "DecisionRequest": "transaction deadline_ms idempotency_key",
    "DecisionReply": "transaction_id decision rung score reasons flags verdict model_version "
    "partition offset elapsed_ms replayed late_score",
    "DecisionQuery": "transaction_id customer_id",
    "LateScore": "decision score verdict",
    "Receipt": "partition offset problem replayed",
    "TransactionBatch": "sequence transactions",
    "ReceiptBatch": "sequence accepted refused receipts problem",
    "Problem": "status code title detail errors retry_after_ms reason",
    "Fault": "path code detail allowed",
}
"""The first fields of the other messages, numbered from 1."""


def _compiled(folder: Path, text: str) -> descriptor_pb2.FileDescriptorProto:
    path = folder / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    out = folder / "out.bin"
    assert protoc.main(["protoc", f"-I{folder}", f"--descriptor_set_out={out}", str(path)]) == 0
    [found] = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    return found


def test_protoc_reads_the_file_as_the_gateway_does(tmp_path: Path) -> None:
    text = (shipped("schemas") / "gateway.proto").read_text()
    assert text == proto_text(gateway_file())
    assert _compiled(tmp_path, text) == descriptor(gateway_file())


def test_the_numbers_of_the_first_release_stay() -> None:
    found = numbers_file()
    for name, members in FIRST.items():
        assert {each: found[name][each] for each in members} == members
    for name, fields in WRITTEN.items():
        numbers = {each.name: each.number for each in gateway_file().message(name).fields}
        for number, field in enumerate(fields.split(), 1):
            assert numbers[field] == number


def test_a_new_field_gets_the_next_number_and_a_lost_ones_is_kept(tmp_path: Path) -> None:
    before = json.loads(json.dumps(numbers_file()))
    assert grown(before) == before
    del before["Transaction"]["mcc"]
    before["Transaction"]["gone"] = 40
    before["Channel"]["TELEX"] = 9
    after = grown(before)
    assert after["Transaction"]["mcc"] == 41
    assert {**after["Transaction"], "mcc": 6} == {**numbers_file()["Transaction"], "gone": 40}
    made = proto_file(after)
    assert _compiled(tmp_path, proto_text(made)) == descriptor(made)
    with pytest.raises(KeyError):
        proto_file(before)


def test_the_lines_of_the_page_get_a_decision(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[4] / "docs/grpc.md").read_text()
    [lines] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    folder, out = shipped("schemas"), f"={tmp_path}"
    made = ["protoc", f"-I{folder}", f"--python_out{out}", f"--grpc_python_out{out}"]
    assert protoc.main([*made, str(folder / "gateway.proto")]) == 0
    with rpc_running() as running:
        assert "127.0.0.1:9090" in lines
        done = subprocess.run(
            [sys.executable, "-c", lines.replace("9090", str(running.port))],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "DECISION_REVIEW ['no_score_in_time', 'not_recorded']\n", done.stderr
        assert 400 < running.taken.deadlines[0] <= 495
