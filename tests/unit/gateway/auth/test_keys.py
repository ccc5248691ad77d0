"""API keys: who they let in, and what of their topic is refused."""

import re
import secrets
from collections.abc import Callable

import pytest
import structlog.testing
from prometheus_client import CollectorRegistry
from tests.support.guarded import Guarded, KeyTopic, frame_of

from riskstream.domain.contracts.codec import codec
from riskstream.gateway.auth.caller import SCOPES, scope_of
from riskstream.platform.adapters.api_keys import SHAPE, id_of, make_key

DAY_MS = 86_400_000


def test_a_key_has_its_shape_256_random_bits_and_a_checksum() -> None:
    sizes = []

    def random(size: int) -> bytes:
        sizes.append(size)
        return b"\xff" * size

    key_id, key = make_key(random)
    assert sizes == [8, 32]
    assert SHAPE.fullmatch(key)
    assert id_of(key) == key_id
    assert len({make_key(secrets.token_bytes)[1] for _ in range(100)}) == 100
    # 43 digits of base 62 tell every number of 256 bits apart
    assert 62**43 > 2**256


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
        lambda key: key[:20] + ("0" if key[20] != "0" else "1") + key[21:],
        lambda key: key[:-1],
        lambda key: key + "0",
        lambda key: key.replace("rsk_", "rsq_"),
        lambda key: key.upper(),
        lambda _: "",
    ],
)
def test_a_mistyped_key_is_none(change: Callable[[str], str]) -> None:
    assert id_of(change(make_key(secrets.token_bytes)[1])) is None


def test_a_key_lets_in_for_its_scopes_alone() -> None:
    guarded = Guarded()
    key = guarded.keys.make("transactions:write", "decisions:read")
    assert guarded.by(key).status == 200
    assert guarded.ask(headers=[("X-API-Key", key)]).status == 200
    assert guarded.by(key, "/v1/decisions/d-1", method="GET").status == 200
    for target, method in [
        ("/v1/labels", "POST"),
        ("/v1/decisions", "POST"),
        ("/subjects", "GET"),
    ]:
        found = guarded.by(key, target, method=method)
        assert (found.status, found.body["type"]) == (403, "urn:riskstream:problem:missing-scope")
        needed = scope_of(method, target)
        assert found.body["scope"] == needed
        assert f'error="insufficient_scope", scope="{needed}"' in found.headers["www-authenticate"]
    assert len(guarded.reached) == 3
    assert guarded.by(key, "/nothing").status == 404
    assert guarded.ask("/nothing").status == 401


def test_every_route_of_the_gateway_has_a_scope() -> None:
    paths = {"/v1/transactions", "/v1/transactions:batch", "/v1/decisions", "/v1/labels"}
    assert {scope_of("POST", path) for path in paths} <= SCOPES.keys()
    assert scope_of("GET", "/v1/decisions/d-1") == "decisions:read"
    assert scope_of("GET", "/schemas/ids/7") == "registry:read"


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ([], "no-credentials"),
        ([("Authorization", "Basic dTpw")], "bad-credentials"),
        ([("Authorization", "Bearer")], "bad-credentials"),
        ([("Authorization", "Bearer é")], "bad-credentials"),
        ([("Authorization", "Bearer " + "a" * 9000)], "bad-credentials"),
        ([("X-API-Key", "")], "bad-credentials"),
        ([("X-API-Key", "KEY"), ("Authorization", "Bearer KEY")], "bad-credentials"),
        ([("Authorization", "Bearer KEY"), ("Authorization", "Bearer KEY")], "bad-credentials"),
    ],
)
def test_what_is_no_credential_is_401(headers: list[tuple[str, str]], word: str) -> None:
    guarded = Guarded()
    key = guarded.keys.make(*SCOPES)
    found = guarded.ask(headers=[(name, value.replace("KEY", key)) for name, value in headers])
    assert (found.status, found.body["type"]) == (401, f"urn:riskstream:problem:{word}")
    assert found.headers["content-type"] == "application/problem+json"
    assert found.headers["www-authenticate"].startswith('Bearer realm="riskstream"')
    assert found.headers["x-request-id"]
    assert key not in str(found)
    assert guarded.reached == []
    assert guarded.registry.get_sample_value("riskstream_gateway_problems_total", {"problem": word})


def test_an_unknown_wrong_expired_or_revoked_key_is_401() -> None:
    guarded = Guarded()
    known = guarded.keys.make(*SCOPES, expires_at=guarded.clock.now_ms() + DAY_MS)
    other = make_key(secrets.token_bytes)[1]
    # the id of a known key with another secret, and a checksum that is right
    forged = make_key(lambda size: (1).to_bytes(8, "big") if size == 8 else b"\7" * size)[1]
    assert forged.split("_")[1] == known.split("_")[1]
    for key in (other, forged):
        found = guarded.by(key)
        assert (found.status, found.body["detail"]) == (401, "the key is unknown or revoked")
    assert guarded.by(known).status == 200
    guarded.clock.advance(DAY_MS)
    assert guarded.by(known).body["detail"] == "the key has expired"
    lasting = guarded.keys.make(*SCOPES)
    assert guarded.by(lasting).status == 200
    guarded.keys.write(lasting.split("_")[1].encode(), frame_of(lasting, *SCOPES, revoked_at=5))
    assert guarded.by(lasting).body["detail"] == "the key is unknown or revoked"


def _newer(key: str) -> bytes:
    return b"\0\xde\xad\xbe\xef" + frame_of(key, *SCOPES)[5:]


HOSTILE: dict[str, tuple[Callable[[str], bytes], str]] = {
    "garbage": (lambda _: b"\xff" * 40, "unreadable"),
    "empty": (lambda _: b"", "unreadable"),
    "an unknown schema": (_newer, "schema"),
    "another contract": (
        lambda _: codec("list.v1").encode(
            {
                "list_id": "l",
                "version": 1,
                "values": [],
                "changed_at": 1,
                "changed_by": "",
                "ends_at": [],
                "notes": [],
            }
        ),
        "schema",
    ),
    "too large": (lambda key: frame_of(key, *["s" * 64] * 32, name="n" * 200_000), "too_large"),
    "a scope too long": (lambda key: frame_of(key, "s" * 65), "bounds"),
    "no hash": (lambda key: frame_of(key, *SCOPES, secret_sha256="Z" * 64), "bounds"),
    "half a hash": (lambda key: frame_of(key, *SCOPES, secret_sha256="ab"), "bounds"),
    "another id": (lambda key: frame_of(key, *SCOPES, key_id="x"), "key"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_record_lets_nobody_in_and_is_told_once(name: str) -> None:
    guarded = Guarded()
    make, reason = HOSTILE[name]
    good, other = guarded.keys.make(*SCOPES), guarded.keys.make(*SCOPES)
    with structlog.testing.capture_logs() as events:
        guarded.keys.write(good.split("_")[1].encode(), make(good))
        guarded.keys.live.settle()
    assert guarded.by(good).status == 401
    assert guarded.by(other).status == 200, "it hides no other key"
    [told] = events
    assert (told["reason"], told["topic"], told["offset"]) == (reason, "api-keys.v1", 2)
    assert (
        guarded.registry.get_sample_value("riskstream_gateway_keys_refused", {"reason": reason})
        == 1
    )
    assert good.split("_")[2] not in str(events)


@pytest.mark.parametrize("partition", [0, 1])
def test_a_revocation_is_final_whatever_is_written_later(partition: int) -> None:
    guarded = Guarded()
    keys = guarded.keys
    key = keys.make(*SCOPES)
    name, copy = key.split("_")[1].encode(), keys.written[0].value
    keys.write(name, frame_of(key, *SCOPES, revoked_at=5))
    keys.write(name, copy, partition)
    assert guarded.by(key).status == 401
    keys.live.begin()  # Kafka was away, and compaction left the copy alone
    keys.live.take(keys.written[-1])
    keys.live.settle()
    assert guarded.by(key).status == 401
    assert (
        guarded.registry.get_sample_value("riskstream_gateway_keys_refused", {"reason": "revoked"})
        == 1
    )


def test_a_revocation_that_is_read_after_a_newer_copy_counts() -> None:
    guarded = Guarded()
    keys = guarded.keys
    key = keys.make(*SCOPES)
    name, copy = key.split("_")[1].encode(), keys.written[0].value
    keys.write(name, frame_of(key, *SCOPES, revoked_at=5))
    keys.write(name, copy, 1)
    again = KeyTopic(CollectorRegistry())
    for at in (2, 1):
        again.live.take(keys.written[at])
    again.live.settle()
    assert len(again.live) == 0


def test_a_deleted_key_is_unknown() -> None:
    guarded = Guarded()
    key = guarded.keys.make(*SCOPES)
    guarded.keys.write(key.split("_")[1].encode(), None)
    assert guarded.by(key).status == 401


def test_a_scope_that_nobody_knows_grants_nothing() -> None:
    guarded = Guarded()
    key = guarded.keys.make("everything", "*", "transactions:*")
    assert guarded.by(key).status == 403


def test_a_key_is_found_by_a_scanner() -> None:
    text = f"config: {make_key(secrets.token_bytes)[1]} # oops"
    assert re.search(r"\brsk_[a-z2-7]{12}_[0-9A-Za-z]{49}\b", text)
