"""A process proves that it can work before it joins a group or fences another: one that cannot
leaves the others untouched.
"""

import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from tests.support.builders import frame, rows
from tests.support.own_topics import OwnTopics, wait_until
from tests.support.processes import failed_start
from tests.support.world import World

from riskstream.cli.main import root
from riskstream.platform.kafka.claims import Claims, prove_ours
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import consumer, producer
from riskstream.platform.kafka.proofs import TopicNeeds, TopicWatch, prove_topics
from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import wait_ready


@pytest.mark.parametrize(
    ("service", "arguments", "said"),
    [
        ("scorer", ("--source", "nosuch"), "error: no topic nosuch"),
        ("scorer", ("--output", "nosuch"), "error: no topic nosuch"),
        ("scorer", ("--dead-letters", "nosuch"), "error: no topic nosuch"),
        ("lag", ("--topics", "scores.v1,nosuch"), "error: no topic nosuch"),
        ("lag", ("--groups", "scorer=nosuch"), "error: no topic nosuch"),
    ],
)
def test_a_topic_that_is_not_there_is_named_at_the_start(
    bare: Chain, service: str, arguments: tuple[str, ...], said: str
) -> None:
    code, error = failed_start(bare, service, *arguments)
    assert code == 2
    assert error.startswith(said)
    assert "riskstream topics apply" in error


def test_topics_are_proven_by_partitions_and_by_what_they_take(bare: Chain) -> None:
    own, kafka = OwnTopics.made(bare), bare.stack.kafka
    narrow, small = f"narrow-{own.tag}", f"small-{own.tag}"
    admin = AdminClient({"bootstrap.servers": kafka})
    new = [NewTopic(narrow, 1, 1), NewTopic(small, 2, 1, config={"max.message.bytes": "1000"})]
    for future in admin.create_topics(new).values():
        future.result(20)
    topics = TopicAdmin(kafka)
    wait_until(lambda: {narrow, small} <= topics.partitions().keys(), "topics that were made")
    names = {own.output: "score.v1"}
    needs = TopicNeeds(
        reads=[own.source], writes=[own.output], kept={own.source: [own.output]}, contracts=names
    )
    assert prove_topics(topics, needs, kafka)[own.output] > 1_000_000
    for name, said in (
        (narrow, "has 1 partitions, source-"),
        (small, ("takes records of 1,000 bytes")),
    ):
        wrong = TopicNeeds(
            reads=[own.source],
            writes=[name],
            kept={own.source: [name]},
            contracts={name: "score.v1"},
        )
        with pytest.raises(Fatal, match=said):
            prove_topics(topics, wrong, kafka)


def test_a_topic_that_is_deleted_while_a_process_runs_is_seen(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    admin = TopicAdmin(own.kafka)
    watch = TopicWatch(admin, TopicNeeds(reads=[own.source], writes=[own.output]), every_s=0.1)
    watch.start()
    watch.look()
    assert watch.is_whole
    client = AdminClient({"bootstrap.servers": own.kafka})
    client.delete_topics([own.output])[own.output].result(20)
    wait_until(lambda: not watch.is_whole, "a look that finds it gone")
    watch.stop()


def test_a_second_process_that_cannot_start_leaves_the_first_untouched(bare: Chain) -> None:
    """Of each kind that joins a group or fences: the second has the first's slot, and its telemetry
    port is taken.
    """
    world = World(bare)
    names = ("scorer", "tracker", "profiler")
    running = {name: bare.start(name) for name in names}
    wait_ready(list(running.values()))
    logs = {name: running[name].server.log.read_text() for name in names}
    for name in names:
        taken = running[name].telemetry.rsplit(":", 1)[1]
        slot = () if name == "scorer" else ("--instance", name)
        code, error = failed_start(bare, name, "--telemetry-port", taken, *slot)
        assert (code, error.startswith(f"error: telemetry port {taken} cannot be used")) == (
            3,
            True,
        )
    world.send(
        [(world.tag.encode(), frame(customer_id=world.tag, transaction_id=f"{world.tag}-0"))]
    )
    world.new("scores.v1", 1)
    end = time.monotonic() + 20
    while world.admin.group_offsets("tracker") == {} and time.monotonic() < end:
        time.sleep(0.1)
    for name in names:
        assert running[name].server.is_running
        assert running[name].is_ready()
        more = running[name].server.log.read_text()[len(logs[name]) :]
        assert not [word for word in ("revoked", "lost", "given up", "fenced") if word in more], (
            more
        )
    for service in running.values():
        service.server.stop()


def test_of_two_that_claim_at_once_the_first_in_the_log_holds(bare: Chain) -> None:
    kafka, subject = bare.stack.kafka, f"topic {uuid.uuid4().hex} id"
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda name: Claims(kafka).take(subject, name), ["a", "b", "c", "d"]))
    [holder] = {each.holder for each in told}
    mine = [each for each in Claims(kafka).all() if each.subject == subject]
    assert [each.holder for each in mine] == [holder], "the others withdrew"
    Claims(kafka).hand_over(subject, "e")
    assert Claims(kafka).take(subject, holder).holder == "e"
    assert Claims(kafka).take(subject, "e").holder == "e"


def _cli(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(root, list(arguments))
    return done.exit_code, str(done.exception) if isinstance(done.exception, Fatal) else done.output


def test_an_output_belongs_to_one_group_until_it_is_handed_over(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    named = ("--source", own.source, "--output", own.output, "--dead-letters", own.dead_letters)
    first = own.start_ready_scorer()
    code, error = failed_start(bare, "scorer", *named, "--group", "another")
    assert code == 2
    assert error.startswith(f"error: {own.output} belongs to group {own.group}, not to another")
    admin, letters = TopicAdmin(own.kafka), {own.dead_letters: own.source}
    with pytest.raises(Fatal, match=f"{own.dead_letters} belongs to group {own.group}"):
        prove_ours(own.kafka, admin, "another", {}, letters)
    prove_ours(own.kafka, admin, "of-another-source", {}, {own.dead_letters: own.output})
    hand_over = ("topics", "hand-over", own.output, "--to", "another", "--kafka", own.kafka)
    assert "still run" in _cli(*hand_over)[1]
    assert first.server.is_running
    first.server.stop()
    wait_until(lambda: _cli(*hand_over)[0] == 0, "the group is empty")
    code, error = failed_start(bare, "scorer", *named, "--group", own.group)
    assert (code, "belongs to group another" in error) == (2, True)
    assert f"{own.output:28} another" in _cli("topics", "owners", "--kafka", own.kafka)[1]


def test_an_unclaimed_output_with_anothers_records_is_refused(bare: Chain) -> None:
    """A cluster of before has no claims: who has read the source before may go on, a group that has
    not may not.
    """
    own = OwnTopics.made(bare)
    own.send(0, rows("a", 0, 1))
    client = producer(own.kafka, "test")
    client.produce(own.output, b"x", b"a", 0)
    assert client.flush(10) == 0
    admin, outputs = TopicAdmin(own.kafka), {own.output: (own.group, (own.source,))}
    with pytest.raises(Fatal, match=r"holds records, and group .* has never read"):
        prove_ours(own.kafka, admin, own.group, outputs)
    member = consumer(own.kafka, own.group)
    member.commit(offsets=[TopicPartition(own.source, 0, 1)], asynchronous=False)
    member.close()
    prove_ours(own.kafka, admin, own.group, outputs)
    with pytest.raises(Fatal, match=f"belongs to group {own.group}"):
        prove_ours(own.kafka, admin, "another", {own.output: ("another", (own.source,))})


def test_the_gateways_port_is_taken_before_anything_else(bare: Chain) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, error = failed_start(bare, "gateway", "--port", port)
    assert (code, error.startswith(f"error: port {port} cannot be used")) == (3, True)
