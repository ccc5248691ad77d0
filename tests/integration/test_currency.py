"""The base currency of an installation is on record: a process or command of another one is refused
before it does anything.
"""

import pytest
from click.testing import CliRunner
from tests.support.builders import frame
from tests.support.own_topics import OwnTopics
from tests.support.processes import failed_start

from riskstream.cli.main import root
from riskstream.platform.kafka.claims import Claims
from riskstream.platform.kafka.currency import SUBJECT, prove_currency
from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.chain import Chain


def _cli(*arguments: str) -> str:
    done = CliRunner().invoke(root, list(arguments))
    return str(done.exception) if isinstance(done.exception, Fatal) else done.output


def test_another_base_currency_is_refused_by_services_and_commands(bare: Chain) -> None:
    kafka = bare.stack.kafka
    prove_currency(kafka, "EUR", "scores.v1", "score.v1")
    said = "amounts of this installation are in EUR, base_currency is USD"
    for service in ("tracker", "reporter"):
        code, error = failed_start(bare, service, "--base-currency", "USD")
        assert (code, said in error) == (2, True)
    for command in (
        ("parity",),
        ("dlq", "redrive", "--all"),
        ("logged", "--out", "build/none.parquet"),
        ("report", "run"),
        ("rebuild", "--redis", bare.stack.redis),
    ):
        assert said in _cli(*command, "--kafka", kafka, "--base-currency", "USD")
    held = Claims(kafka).of(SUBJECT)
    assert held is not None
    assert held.holder == "EUR"
    assert "base currency EUR" in _cli("topics", "currency", "--kafka", kafka)


def test_a_cluster_of_before_is_told_by_its_newest_amounts(bare: Chain) -> None:
    kafka, own = bare.stack.kafka, OwnTopics.made(bare)
    claims = Claims(kafka)
    if (held := claims.of(SUBJECT)) is not None:
        claims._put(SUBJECT, held.holder, is_claim=False)
    own.send(0, [(b"c-1", frame(base_currency="EUR")), (b"c-1", b"{broken}")])
    with pytest.raises(
        Fatal, match=f"the newest amounts of {own.source} are in EUR, base_currency is USD"
    ):
        prove_currency(kafka, "USD", own.source, "transaction.v1")
    assert claims.of(SUBJECT) is None
    prove_currency(kafka, "EUR", own.source, "transaction.v1")
    with pytest.raises(
        Fatal, match="amounts of this installation are in EUR, base_currency is USD"
    ):
        prove_currency(kafka, "USD", own.output, "score.v1")
