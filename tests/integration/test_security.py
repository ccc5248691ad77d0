"""A Kafka that asks for a user and a password: who is let in, and what one who is not is told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from riskstream.domain.contracts.catalog import topics
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.workbench.local.kafka import KafkaCluster
from riskstream.workbench.local.server import free_port

RISKSTREAM = str(Path(sys.executable).with_name("riskstream"))
GIVEN = {
    "RISKSTREAM_KAFKA_PROTOCOL": "SASL_PLAINTEXT",
    "RISKSTREAM_KAFKA_MECHANISM": "PLAIN",
    "RISKSTREAM_KAFKA_USERNAME": "ann",
    "RISKSTREAM_KAFKA_PASSWORD": "right",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cluster = KafkaCluster(tmp_path_factory.mktemp("guarded"), users={"ann": "right"})
    cluster.start()
    TopicAdmin(cluster.bootstrap).apply(list(topics().values()), 2)
    yield f"127.0.0.1:{cluster.guarded_ports[0]}"
    cluster.stop()


def _run(kafka: str, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **GIVEN, **changes}
    return subprocess.run(
        [*command, "--kafka", kafka],
        env={name: value for name, value in env.items() if value},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_who_has_the_password_is_let_in_and_may_do_what_rules_say(guarded: str) -> None:
    done = _run(guarded, RISKSTREAM, "topics", "apply")
    assert done.returncode == 1
    assert "authorization" in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [("topics", "plan"), ("lag",)])
def test_a_wrong_password_is_one_sentence(guarded: str, command: tuple[str, ...]) -> None:
    done = _run(guarded, RISKSTREAM, *command, RISKSTREAM_KAFKA_PASSWORD="wrong")
    assert done.returncode == 2
    assert "Kafka refuses this user" in done.stderr
    assert "RISKSTREAM_KAFKA_" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "wrong" not in done.stderr


@pytest.mark.parametrize("service", ["gateway", "tracker"])
def test_a_service_with_a_wrong_password_ends_and_does_not_try_for_ever(
    guarded: str, service: str
) -> None:
    done = _run(
        guarded, sys.executable, "-m", f"riskstream.{service}", RISKSTREAM_KAFKA_PASSWORD="wrong"
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: Kafka refuses this user")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RISKSTREAM_KAFKA_PASSWORD": ""}, "needs a user and a password"),
        ({"RISKSTREAM_KAFKA_PROTOCOL": "TLS"}, "protocol is wrong"),
        (
            {"RISKSTREAM_KAFKA_PROTOCOL": "SASL_SSL", "RISKSTREAM_KAFKA_CA": "none.crt"},
            ("there is no file none.crt"),
        ),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(
    guarded: str, changes: dict[str, str], words: str
) -> None:
    done = _run(guarded, RISKSTREAM, "topics", "plan", **changes)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_broker_that_is_away_is_one_sentence_and_a_code_to_try_again() -> None:
    done = _run(f"127.0.0.1:{free_port()}", RISKSTREAM, "topics", "plan")
    assert done.returncode == 75
    assert "start it again" in done.stderr
    assert len(done.stderr.splitlines()) == 1
