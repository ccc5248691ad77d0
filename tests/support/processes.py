"""Services of a chain: one that cannot start, one that is killed; groups that lose their
offsets.
"""

import os
import signal
import subprocess
import sys

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import Service
from tests.support.own_topics import wait_until


def failed_start(chain: Chain, service: str, *arguments: str) -> tuple[int, str]:
    """(exit code, the line of its error) of a service that cannot start."""
    given = {
        "scorer": ("--model", str(chain._model), "--redis", chain.stack.redis),
        "profiler": ("--redis", chain.stack.redis),
    }
    command = [
        sys.executable,
        "-m",
        f"riskstream.{service}",
        "--kafka",
        chain.stack.kafka,
        *given.get(service, ()),
    ]
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


def lose_offsets(kafka: str, *groups: str) -> None:
    """Delete groups, as their expiry does; waits until they have no member."""
    client = AdminClient({"bootstrap.servers": kafka})

    def is_gone() -> bool:
        try:
            for future in client.delete_consumer_groups(list(groups), request_timeout=10).values():
                future.result(10)
        except KafkaException as error:
            name = error.args[0].name()
            if name not in ("NON_EMPTY_GROUP", "GROUP_ID_NOT_FOUND"):
                raise
            return bool(name == "GROUP_ID_NOT_FOUND")
        return True

    wait_until(is_gone, f"{groups} are gone")


def kill(service: Service) -> None:
    os.kill(service.server.pid, signal.SIGKILL)
    service.server._guard.wait(30)
    service.server.stop()
