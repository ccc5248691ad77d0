"""`riskstream keys`."""

from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.support.guarded import Guarded

from riskstream.cli import saved_keys
from riskstream.cli.keys import command
from riskstream.cli.saved_keys import SavedKeys
from riskstream.domain.contracts.codec import codec
from riskstream.platform.adapters.api_keys import id_of
from riskstream.platform.adapters.key_records import KeyRecords
from riskstream.runtime.errors import Fatal


class Topic:
    """api-keys.v1 in memory, with a gateway that follows it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.guarded = Guarded()
        monkeypatch.setattr(saved_keys, "put", self._put)
        monkeypatch.setattr(SavedKeys, "read", self._read)

    def _put(self, _kafka: str, _topic: str, key: bytes, value: bytes | None) -> None:
        self.guarded.keys.write(key, value)

    def _read(self, kafka: str) -> SavedKeys:
        records = KeyRecords()
        for each in self.guarded.keys.written:
            records.take(each)
        return SavedKeys(kafka, records.said(), records)

    def run(self, *given: str) -> Result:
        result = CliRunner().invoke(command, [*given, "--kafka", "k:1"])
        if result.exception:
            raise result.exception
        return result

    @property
    def last(self) -> dict[str, Any]:
        return codec("api-key.v1").decode(self.guarded.keys.written[-1].value)


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    return Topic(monkeypatch)


def test_a_key_is_made_shown_once_listed_and_revoked(topic: Topic) -> None:
    done = topic.run("create", "payments", "--scope", "transactions:write", "--by", "ana")
    [key] = done.stdout.splitlines()
    key_id = id_of(key)
    assert key_id is not None
    assert "cannot be shown again" in done.stderr
    secret = key.split("_")[2]
    assert secret not in done.stderr
    assert secret.encode() not in (topic.guarded.keys.written[-1].value or b"")
    assert topic.guarded.by(key).status == 200
    listed = topic.run("list").output
    assert secret not in listed
    assert f"{key_id}  payments  transactions:write  -  in force, made " in listed
    assert " by ana" in listed
    assert f"revoked {key_id}" in topic.run("revoke", key_id, "--by", "bob").output
    assert topic.guarded.by(key).status == 401
    assert (topic.last["changed_by"], topic.last["name"]) == ("bob", "payments")
    assert "revoked " in topic.run("list").output


def test_a_key_that_was_found_somewhere_is_revoked_by_itself(topic: Topic) -> None:
    key = topic.run("create", "p", "--scope", "all").stdout.strip()
    assert topic.guarded.by(key, "/subjects", method="GET").status == 200
    done = topic.run("revoke", key)
    assert key.split("_")[2] not in done.output
    assert topic.guarded.by(key).status == 401


@pytest.mark.parametrize("day", ["2020-01-31", "2026-01-31T18:00:00"])
def test_a_key_that_has_expired_is_not_made(topic: Topic, day: str) -> None:
    with pytest.raises(Fatal, match="--expires"):
        topic.run("create", "p", "--scope", "all", "--expires", day)
    assert topic.guarded.keys.written == []


def test_scopes_expiry_and_rate_are_kept(topic: Topic) -> None:
    topic.run(
        *("create", "p", "--scope", "labels:write", "--scope", "decisions:read"),
        *("--expires", "2027-01-31", "--rate", "50", "--burst", "200"),
    )
    assert topic.last["scopes"] == ["decisions:read", "labels:write"]
    assert topic.last["expires_at"] == 1_801_440_000_000
    assert (topic.last["rate_per_s"], topic.last["burst"]) == (50, 200)
    assert "50/s" in topic.run("list").output
    with pytest.raises(SystemExit):
        topic.run("create", "p", "--scope", "everything")
    with pytest.raises(Fatal, match="name has 200 bytes"):
        topic.run("create", "n" * 200, "--scope", "all")


def test_an_unreadable_record_is_listed_and_can_be_revoked(topic: Topic) -> None:
    key = topic.run("create", "p", "--scope", "all").stdout.strip()
    key_id = id_of(key)
    assert key_id is not None
    topic.guarded.keys.write(key_id.encode(), b"garbage")
    assert f"refused: api-keys.v1:0:1 key {key_id!r}: " in topic.run("list").output
    topic.run("revoke", key_id)
    assert "refused" not in topic.run("list").output
    with pytest.raises(Fatal, match="there is no key nobody"):
        topic.run("revoke", "nobody")
