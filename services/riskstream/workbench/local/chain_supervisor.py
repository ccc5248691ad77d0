"""The process that `riskstream local services up` leaves behind: holds the services of the chain
until `down` ends it.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.domain.risk.features.sets import SETS, set_of
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.schemas import publish
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_folder, read_regular
from riskstream.runtime.local_stack import running
from riskstream.runtime.run import run_main
from riskstream.workbench.local.background import Background, hold
from riskstream.workbench.local.server import check_port, free_port
from riskstream.workbench.local.services import Service, start_service
from riskstream.workbench.local.supervisor import SERVICES, has_stack

NAMES = ("scorer", "tracker", "profiler", "reporter", "gateway", "lag")
"""Every service, in the order of their starts."""
READY_DEADLINE_S = 120.0
_CHAIN = Background("riskstream.workbench.local.chain_supervisor", "services")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which services are started, and how. `model`: a model folder, "" where the environment names
    a release; `features`: the set that it is for; `gateway_port` 0: any free one.
    """

    model: str
    gateway_port: int
    names: tuple[str, ...] = NAMES
    features: str = ""
    kafka: str = ""
    redis: str = ""


def services_folder(folder: Path) -> Path:
    """Where the services of the stack in `folder` keep their logs and what is known of them."""
    return folder / SERVICES


def logs_folder(folder: Path) -> Path:
    return services_folder(folder) / "logs"


def up(folder: Path, wanted: Wanted, echo: Callable[[str], None]) -> tuple[dict[str, Any], bool]:
    """Start the services on the stack of `folder`, unless they run; (their state, whether they ran
    before). Fatal where the stack is not up, a port is taken, or one of them does not start: then
    none runs.
    """
    stack = running(folder)
    if stack is None:
        raise Fatal(
            what="the local stack is not up",
            where=str(folder),
            do="start it with `riskstream local up`",
            exit_code=Exit.NOT_NOW,
        )
    mine = services_folder(folder)
    check_folder(mine, "--dir", is_own=has_stack, is_replaced=False)
    state = running(mine)
    if state is not None and state["kafka"] == stack["kafka"]:
        ended = [each["name"] for each in state["services"] if _has_ended(each)]
        if not ended:
            return state, True
        echo(f"ending the services, as {', '.join(ended)} ended by itself")
        _CHAIN.down(mine)
    elif state is not None:
        echo("ending the services of an older stack")
        _CHAIN.down(mine)
    if "scorer" in wanted.names and wanted.model:
        wanted = replace(wanted, features=features_of(Path(wanted.model)))
    if "gateway" in wanted.names and wanted.gateway_port:
        do = "give another --gateway-port, or 0 to take a free one"
        check_port(wanted.gateway_port, "the gateway", do)
    given = asdict(wanted) | {"kafka": stack["kafka"], "redis": stack["redis"]}
    return _CHAIN.up(mine, given, echo)


def _has_ended(service: dict[str, Any]) -> bool:
    """Whether the process of a service is gone, whatever its supervisor knows yet."""
    try:
        os.kill(service["pid"], 0)
    except ProcessLookupError:
        return True
    return bool(service["ended"])


def down(folder: Path) -> bool:
    """End the services of the stack in `folder`; True where some ran."""
    return _CHAIN.down(services_folder(folder))


def features_of(model: Path) -> str:
    """The name of the feature set that a model folder is for. Fatal where it is no such folder."""
    try:
        label = str(json.loads(read_regular(model / "model.json"))["feature_set"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fatal(
            what="there is no model",
            where=str(model),
            do="train one with `riskstream train --out`, or give --model",
            exit_code=Exit.INPUT,
        ) from error
    found = set_of(label)
    name = next((name for name, each in SETS.items() if each is found), None)
    if name is None:
        raise Fatal(
            what=f"the model is for feature set {label}, which this version does not have",
            where=str(model),
            do="train it again",
            exit_code=Exit.INPUT,
        )
    return name


def arguments_of(name: str, wanted: Wanted) -> list[str]:
    """What the command line of a service says: where the servers are, and what must fit the model;
    all else is its own default.
    """
    arguments = ["--kafka", wanted.kafka]
    if name in ("scorer", "profiler"):
        arguments += ["--redis", wanted.redis]
    if name == "scorer" and wanted.features:
        arguments += ["--model", wanted.model, "--features", wanted.features]
    if name == "profiler" and wanted.features and SETS[wanted.features].profiles:
        arguments += ["--features", wanted.features]
    if name == "gateway":
        arguments += ["--auth", "none", "--port", str(wanted.gateway_port)]
    return arguments


class Services:
    """The services as child processes."""

    def __init__(self, folder: Path, wanted: Wanted) -> None:
        self._folder = folder
        self._wanted = replace(wanted, gateway_port=wanted.gateway_port or free_port())
        self._services: list[Service] = []

    def start(self, say: Callable[[str], None], stop: Event) -> dict[str, Any]:
        """As `Held.start`: topics first, then every service, then it waits until each is ready."""
        wanted = self._wanted
        try:
            say("applying topics")
            _apply_topics(wanted.kafka)
            for name in wanted.names:
                say(f"starting {name}")
                self._start(name)
            self._wait(say, stop)
        except BaseException:
            self.stop()
            raise
        return self.look() | {"kafka": wanted.kafka, "redis": wanted.redis}

    def look(self) -> dict[str, Any]:
        has_gateway = "gateway" in self._wanted.names
        return {
            "gateway": f"http://127.0.0.1:{self._wanted.gateway_port}" if has_gateway else "",
            "services": [
                {
                    "name": each.name,
                    "pid": each.server.pid,
                    "telemetry": each.telemetry,
                    "log": str(each.server.log),
                    "ended": "" if each.server.is_running else each.server.last_words(),
                }
                for each in self._services
            ],
        }

    def stop(self) -> None:
        """Tell all to end, then wait for each."""
        for each in self._services:
            each.server.end()
        for each in self._services:
            each.server.stop()

    def _start(self, name: str) -> None:
        env = {}
        if "RISKSTREAM_GATEWAY_DRAIN_S" not in os.environ:
            env["RISKSTREAM_GATEWAY_DRAIN_S"] = "0"  # no balancer has to learn that it ends
        arguments = arguments_of(name, self._wanted)
        self._services.append(start_service(name, self._folder / "logs", *arguments, env=env))

    def _wait(self, say: Callable[[str], None], stop: Event) -> None:
        started = time.monotonic()
        waiting = list(self._services)
        while waiting:
            spent = time.monotonic() - started
            for each in [each for each in waiting if each.is_ready()]:
                waiting.remove(each)
                say(f"{each.name} is ready ({spent:.1f} s)")
            for each in waiting:
                if not each.server.is_running:
                    raise each.server.failure()
                if spent > READY_DEADLINE_S:
                    raise Fatal(
                        what=f"{each.name} is not ready after {READY_DEADLINE_S:.0f} s",
                        where=str(each.server.log),
                        do="read that log",
                    )
            if stop.wait(0.05):
                raise Fatal(
                    what="the start was stopped",
                    where=str(self._folder),
                    do="run the same command again",
                )


def _apply_topics(kafka: str) -> None:
    """As `riskstream topics apply`, with as many partitions as the topics that are there."""
    admin = TopicAdmin(kafka)
    there = admin.partitions()
    count = next((there[name] for name in topics() if name in there), DEFAULT_PARTITIONS)
    admin.apply(list(topics().values()), count)
    publish(kafka)


def main() -> None:
    """`python -m riskstream.workbench.local.chain_supervisor FOLDER JSON`."""
    folder, given = Path(sys.argv[1]), json.loads(sys.argv[2])
    wanted = Wanted(**given | {"names": tuple(given["names"])})
    hold(folder, Services(folder, wanted), "services")


if __name__ == "__main__":
    run_main(main)
