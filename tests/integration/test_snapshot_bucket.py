"""Snapshots in a bucket, against moto's S3 server."""

import os
import socket
import uuid
from collections.abc import Iterator

import moto.server as moto_server
import pyarrow.fs as fs
import pytest

from riskstream.platform.adapters.snapshot_places import BucketPlace, place_of
from riskstream.platform.adapters.snapshot_shelf import Shelf
from riskstream.runtime.errors import Retryable

TOPICS = "transactions.v1=a/4"
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A running server that has one bucket, `bank`."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"{host}:{port}"
    client = fs.S3FileSystem(
        endpoint_override=address,
        scheme="http",
        access_key="test",
        secret_key="test",
        allow_bucket_creation=True,
    )
    client.create_dir("bank")
    yield address
    server.stop()


@pytest.fixture
def keys(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": f"http://{endpoint}"}.items():
        monkeypatch.setenv(name, value)
    return endpoint


@pytest.fixture
def shelf(keys: str) -> Shelf:
    return Shelf(place_of(f"s3://bank/{uuid.uuid4().hex[:8]}/states"), "scorer.standard.v1")


def _put(shelf: Shelf, s: int, rows: int = 3) -> None:
    with shelf.write(0, {"s": str(s), "e": "0", "identity": TOPICS}) as writer:
        for n in range(rows):
            writer.add([(b":c%d" % n, os.urandom(5000))])
        writer.end({})


def test_what_was_put_is_listed_read_and_pruned(shelf: Shelf) -> None:
    assert shelf.known(0) == []
    for s, rows in ((5, 3), (70, 2500), (6, 0)):
        _put(shelf, s, rows)
    known = shelf.known(0, TOPICS)
    assert [each.stored_src for each in known] == [70, 6, 5]
    assert known[0].size > 10_000_000, "it went up in several parts"
    with shelf.open(known[0], TOPICS) as (fields, reader):
        assert fields["s"] == "70"
        assert sum(len(batch) for batch in reader.batches()) == 2500
        assert reader.tail()["rows"] == 2500
    assert shelf.prune(0, TOPICS, 2, 3600) == 1
    assert [each.stored_src for each in shelf.known(0)] == [70, 6]


def test_an_exception_while_it_goes_up_leaves_nothing(keys: str) -> None:
    place = place_of("s3://bank/broken")

    def write_some() -> None:
        with place.write("p/one") as file:
            file.write(os.urandom(12_000_000))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_some()
    assert place.files("p") == [], "not even a part"


def test_the_endpoint_may_stand_in_the_address(
    endpoint: str, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    place = BucketPlace(
        f"s3://bank/here?endpoint_override={endpoint}&scheme=http&region=eu-central-1"
    )
    with place.write("p/one") as file:
        file.write(b"1")
    assert place.files("p") == [("p/one", 1)]
    place.delete("p/one")
    place.delete("p/one")
    assert place.files("p") == []


def test_a_bucket_that_is_not_there_or_a_server_that_is_away_is_the_worlds_fault(
    keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Retryable, match="refuses"):
        _put(Shelf(place_of("s3://nosuch/states"), "scorer.standard.v1"), 5)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        away = Shelf(place_of("s3://bank/states"), "scorer.standard.v1")
        with pytest.raises(Retryable, match="refuses"):
            away.known(0)
        with pytest.raises(Retryable, match="refuses"):
            _put(away, 5)
