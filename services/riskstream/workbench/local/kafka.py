"""A real Apache Kafka cluster (KRaft) of guarded child processes on 127.0.0.1."""

import base64
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.runtime.errors import Retryable
from riskstream.workbench.local.downloads import java, kafka_class_path
from riskstream.workbench.local.server import Server, check_port, free_port

START_DEADLINE_S = 90.0

_LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokers:
    """How many nodes a cluster has, at which `ports` (free ones where none are given), and after
    how long it takes a silent member of a group for gone.

    `has_side_listeners`: each broker listens at a second port too, which it advertises as a third:
    `side_ports` are (advertised, real), so that something can be put in the way of those clients
    alone that begin there.
    """

    count: int = 1
    ports: tuple[int, ...] = ()
    session_timeout_ms: int = 6000
    has_side_listeners: bool = False


ONE_BROKER = Brokers()


class KafkaCluster:
    """Nodes as `brokers` says, each broker and controller. `bootstrap` is the address; stop() ends
    all of them.

    `users`: passwords by name. Where there are some, `guarded_ports` ask for one of them
    (SASL_PLAINTEXT, PLAIN), and a user may do what access rules say; who comes by the plain ports
    may do everything.
    """

    def __init__(
        self,
        folder: Path,
        brokers: Brokers = ONE_BROKER,
        *,
        users: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._users = users or {}
        self._session_timeout_ms = brokers.session_timeout_ms
        self._class_path = kafka_class_path()
        self.ports = list(brokers.ports) or [free_port() for _ in range(brokers.count)]
        for port in self.ports:
            check_port(port, "Kafka")
        self._controller_ports = [free_port() for _ in self.ports]
        self.side_ports = (
            [(free_port(), free_port()) for _ in self.ports] if brokers.has_side_listeners else []
        )
        self.guarded_ports = [free_port() for _ in self.ports] if self._users else []
        self.servers: list[Server] = []
        # As Kafka's own Uuid: url-safe base64; it must not begin with a dash, which the tool takes
        # for an option.
        self._cluster_id = "k" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def start(self) -> None:
        """Format and start every node; return when all of them answer."""
        for node in range(len(self.ports)):
            self._format(node)
        try:
            for node in range(len(self.ports)):
                self.servers.append(self.start_node(node))
            self._wait()
        except BaseException:
            self.stop()
            raise

    def start_node(self, node: int) -> Server:
        """Start (or start again) one formatted node."""
        folder = self._node_folder(node)
        command = [
            java(),
            "-Xmx512m",
            "-Xms256m",
            "-XX:+UseSerialGC",
            f"-Dlog4j2.configurationFile={folder}/log4j2.properties",
            "-cp",
            self._class_path,
            "kafka.Kafka",
            str(folder / "server.properties"),
        ]
        return Server(f"kafka-{node + 1}", command, folder / "server.log")

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def _wait(self) -> None:
        admin = TopicAdmin(self.bootstrap)
        for _ in range(int(START_DEADLINE_S / 3)):
            for server in self.servers:
                if not server.is_running:
                    raise server.failure()
            try:
                admin.wait_until_ready(len(self.ports), 3.0)
                return
            except Retryable:
                continue
        raise Retryable(
            what=f"Kafka was not up within {START_DEADLINE_S:.0f} s", where=str(self.folder)
        )

    def _node_folder(self, node: int) -> Path:
        return self.folder / f"node-{node + 1}"

    def _format(self, node: int) -> None:
        folder = self._node_folder(node)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log4j2.properties").write_text(_LOG4J)
        properties = folder / "server.properties"
        properties.write_text(
            "".join(f"{key}={value}\n" for key, value in self._settings(node).items())
        )
        done = subprocess.run(
            [
                java(),
                "-Xmx128m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                f"-Dlog4j2.configurationFile={folder}/log4j2.properties",
                "-cp",
                self._class_path,
                "kafka.tools.StorageTool",
                "format",
                "--ignore-formatted",
                "-t",
                self._cluster_id,
                "-c",
                str(properties),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            (folder / "server.log").write_text(done.stdout + done.stderr)
            raise Retryable(
                what=f"Kafka's storage could not be formatted: {done.stderr[-200:]}",
                where=str(folder),
            )

    def _listeners(self, node: int) -> dict[str, object]:
        here, controller = f"PLAINTEXT://127.0.0.1:{self.ports[node]}", self._controller_ports[node]
        listeners, advertised = [here, f"CONTROLLER://127.0.0.1:{controller}"], [here]
        if self.side_ports:
            told, real = self.side_ports[node]
            listeners.append(f"SIDE://127.0.0.1:{real}")
            advertised.append(f"SIDE://127.0.0.1:{told}")
        guarded: dict[str, object] = {}
        if self.guarded_ports:
            listeners.append(f"GUARDED://127.0.0.1:{self.guarded_ports[node]}")
            advertised.append(listeners[-1])
            known = " ".join(f'user_{name}="{password}"' for name, password in self._users.items())
            plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};"
            guarded = {
                "listener.name.guarded.sasl.enabled.mechanisms": "PLAIN",
                "listener.name.guarded.plain.sasl.jaas.config": plain,
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
            }
        return {
            "listeners": ",".join(listeners),
            "advertised.listeners": ",".join(advertised),
            "listener.security.protocol.map": ",".join(
                f"{name}:{'SASL_PLAINTEXT' if name == 'GUARDED' else 'PLAINTEXT'}"
                for name in ("PLAINTEXT", "SIDE", "CONTROLLER", "GUARDED")
            ),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            **guarded,
        }

    def _settings(self, node: int) -> dict[str, object]:
        voters = ",".join(
            f"{i + 1}@127.0.0.1:{port}" for i, port in enumerate(self._controller_ports)
        )
        copies = min(3, len(self.ports))
        return {
            "process.roles": "broker,controller",
            "node.id": node + 1,
            "controller.quorum.voters": voters,
            **self._listeners(node),
            "log.dirs": self._node_folder(node) / "data",
            "default.replication.factor": copies,
            "min.insync.replicas": 2 if copies == 3 else 1,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": 2 if copies == 3 else 1,
            "transaction.state.log.num.partitions": 8,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": 1,
            # with acks=all nothing moves until a dead broker is out of the ISR
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "group.initial.rebalance.delay.ms": 0,
            "group.consumer.min.session.timeout.ms": 1000,
            "group.consumer.session.timeout.ms": self._session_timeout_ms,
            "group.consumer.min.heartbeat.interval.ms": 300,
            "group.consumer.heartbeat.interval.ms": min(500, self._session_timeout_ms // 4),
            "group.min.session.timeout.ms": 1000,
            "unclean.leader.election.enable": "false",
            "auto.create.topics.enable": "false",
            "num.partitions": 4,
            "log.cleaner.dedupe.buffer.size": 16777216,
            "log.segment.bytes": 134217728,
        }
