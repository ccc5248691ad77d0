"""`riskstream keys`."""

import secrets
import time

import click

from riskstream.cli.list_entries import Until
from riskstream.cli.moments import moment
from riskstream.cli.options import kafka_option
from riskstream.cli.saved_keys import SavedKeys, state_of
from riskstream.gateway.auth.caller import SCOPES
from riskstream.platform.adapters.api_keys import digest_of, id_of, make_key
from riskstream.platform.adapters.key_records import REASONS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

_BY = click.option("--by", default="", help="your name, kept with the change")
_SCOPES = "; ".join(f"{name}: {what}" for name, what in SCOPES.items())


@click.group()
def command() -> None:
    """Make and revoke API keys of the gateway. Every gateway follows a change within 5 seconds."""


@command.command()
@click.argument("name")
@kafka_option
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([*SCOPES, "all"]),
    multiple=True,
    required=True,
    help=f"what the key allows; may be repeated. {_SCOPES}",
)
@click.option(
    "--expires",
    type=Until(),
    help="refuse the key after this day or time, UTC; a day lasts to its end [default: never]",
)
@click.option(
    "--rate",
    type=click.IntRange(0, 1_000_000),
    default=0,
    help="requests a second that it allows; 0 for the gateway's rate_per_s [default: 0]",
)
@click.option(
    "--burst",
    type=click.IntRange(0, 10_000_000),
    default=0,
    help="requests that it allows at once; 0 for those of two seconds [default: 0]",
)
@_BY
def create(
    name: str,
    kafka: str,
    scopes: tuple[str, ...],
    expires: int | None,
    rate: int,
    burst: int,
    by: str,
) -> None:
    """Make a key for NAME, and print it. It is shown this once: only its hash is kept."""
    if expires is not None and expires <= _now_ms():
        raise Fatal(
            what="the key would be refused from the start",
            where="--expires",
            do="give a day from today on, or a time to come, in UTC",
            exit_code=Exit.INPUT,
        )
    key_id, key = make_key(secrets.token_bytes)
    SavedKeys.read(kafka).save(
        {
            "key_id": key_id,
            "name": name,
            "secret_sha256": digest_of(key).hex(),
            "scopes": sorted(SCOPES if "all" in scopes else set(scopes)),
            "created_at": _now_ms(),
            "expires_at": expires,
            "revoked_at": None,
            "changed_by": by,
            "rate_per_s": rate,
            "burst": burst,
        }
    )
    click.echo(key)
    click.echo(f"key {key_id} for {name}: keep it now, it cannot be shown again", err=True)


@command.command("list")
@kafka_option
def list_command(kafka: str) -> None:
    """Show every key: its id, its name, its scopes, and whether it is in force."""
    saved, now = SavedKeys.read(kafka), _now_ms()
    for key_id, each in saved.keys.items():
        rate = f"{each['rate_per_s']}/s" if each["rate_per_s"] else "-"
        by = f" by {each['changed_by']}" if each["changed_by"] else ""
        click.echo(
            f"{key_id}  {each['name']}  {','.join(each['scopes']) or 'no scopes'}  {rate}  "
            f"{state_of(each, now)}, made {moment(each['created_at'])}{by}"
        )
    for wrong in saved.records.refused():
        click.echo(
            f"refused: {wrong.place} key {wrong.key!r}: {wrong.why}: {REASONS[wrong.reason]}"
        )


@command.command()
@click.argument("key_id")
@kafka_option
@_BY
def revoke(key_id: str, kafka: str, by: str) -> None:
    """Revoke a key for ever: by its id, or by itself where somebody found it."""
    key_id = id_of(key_id) or key_id
    saved = SavedKeys.read(kafka)
    saved.revoke(key_id, _now_ms(), by)
    click.echo(f"revoked {key_id}: every gateway refuses it within 5 seconds")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
