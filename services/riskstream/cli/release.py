"""`riskstream release`."""

import base64
import json
import time
from pathlib import Path

import click

from riskstream.adapters.release import Release, check_fits, pack, read
from riskstream.adapters.signing import PublicKey, make_keys
from riskstream.cli.options import features_option, kafka_option
from riskstream.cli.outputs import is_release
from riskstream.contracts.codec import codec
from riskstream.kafka.produce import put
from riskstream.kafka.table import read_table
from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.features.sets import SETS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.files import check_file, whole

TOPIC = "releases.v1"
MAX_RECORD_BYTES = 32 * 1024 * 1024 - 10_000
_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def command() -> None:
    """Pack, verify and show releases: a model with everything it was made for, in one signed file."""


@command.command()
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="private key to write; the public one beside it, .pub"
)
def keygen(out: Path) -> None:
    """Make a pair of Ed25519 keys."""
    public = make_keys(out)
    click.echo(f"private key {out}: keep it where releases are signed; public key {public}: give it to the scorers")


@command.command("pack")
@click.argument("model", type=click.Path(path_type=Path))
@features_option("--features")
@click.option("--key", type=click.Path(path_type=Path), required=True, help="private key to sign with")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="release file to write")
@click.option(
    "--parity", type=click.Path(path_type=Path), help="what `riskstream parity --json` wrote: a mismatch is refused"
)
def pack_command(model: Path, features: FeatureSet, key: Path, out: Path, parity: Path | None) -> None:
    """Pack the folder MODEL of `riskstream train` and sign it."""
    check_file(out, is_own=is_release, inputs=[key, parity])
    compared = None if parity is None else _parity(parity)
    release_id, content = pack(model, features, key, int(time.time() * 1000), compared)
    with whole(out) as partial:
        partial.write_bytes(content)
    click.echo(f"release {release_id} in {out}, {len(content):,} bytes")


def _parity(path: Path) -> dict[str, int]:
    """Counts of a parity run that holds. Fatal where it does not, or is none."""
    try:
        found = json.loads(path.read_text())
        is_whole, counts = bool(found["is_whole"]), {name: each for name, each in found.items() if type(each) is int}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fatal(what=f"it is no result of parity: {error!r}", where=str(path), do="run `riskstream parity --json`",
                    exit_code=2) from error  # fmt: skip
    if not is_whole:
        wrong = ", ".join(
            f"{name} {each}" for name, each in counts.items() if each and ("differ" in name or "without" in name)
        )
        raise Fatal(
            what=f"parity does not hold ({wrong or 'nothing was compared'})", where=str(path),
            do="find why logged and computed features differ; nothing was packed",
        )  # fmt: skip
    return counts


@command.command()
@_FILE
@click.option("--key", type=click.Path(path_type=Path), required=True, help="public key of the signer")
def verify(file: Path, key: Path) -> None:
    """Check signature, every file's hash, and that this riskstream has the contracts it was made for."""
    release = read(file, PublicKey.read(key))
    name = release.manifest["feature_set"].rsplit(".", 1)[0]
    if name in SETS:
        check_fits(release, SETS[name], str(file))
    click.echo(f"release {release.release_id}: signed by {key.name}, whole, {_line(release)}")


@command.command()
@_FILE
def show(file: Path) -> None:
    """Print what a release holds. Its signature is not looked at: `verify` does that."""
    release = read(file, None)
    click.echo(json.dumps({"release": release.release_id, **release.manifest}, indent=2, sort_keys=True))


@command.command()
@_FILE
@click.option(
    "--key", type=click.Path(path_type=Path), required=True, help="public key of the signer: it is verified first"
)
@kafka_option
@click.option("--by", default="", help="who activates it")
def activate(file: Path, key: Path, kafka: str, by: str) -> None:
    """Have every scorer of its feature set that was given the signer's key use it, within seconds and at a batch edge."""
    release = read(file, PublicKey.read(key))
    content = base64.b64encode(file.read_bytes()).decode()
    _say(kafka, release.release_id, release.manifest["feature_set"], "ACTIVE", content, by)
    click.echo(f"release {release.release_id} is active: {_line(release)}")


@command.command()
@click.argument("release_id")
@kafka_option
@click.option("--by", default="", help="who withdraws it")
def withdraw(release_id: str, kafka: str, by: str) -> None:
    """Take a release back: scorers go on with the newest that is still active, or with what they have."""
    value = read_table(kafka, [TOPIC]).get((TOPIC, release_id.encode()))
    if value is None:
        raise Fatal(what=f"there is no release {release_id}", where=f"{TOPIC} of {kafka}", do="give the id that activate printed",
                    exit_code=2)  # fmt: skip
    _say(kafka, release_id, codec("release.v1").decode(value)["feature_set"], "WITHDRAWN", "", by)
    click.echo(f"release {release_id} is withdrawn")


def _say(kafka: str, release_id: str, feature_set: str, status: str, content: str, by: str) -> None:
    record = {
        "release_id": release_id, "feature_set": feature_set, "status": status, "content_base64": content,
        "changed_at": int(time.time() * 1000), "changed_by": by,
    }  # fmt: skip
    frame = codec("release.v1").encode(record)
    if len(frame) > MAX_RECORD_BYTES:
        raise Fatal(what=f"the release has {len(frame):,} bytes, {MAX_RECORD_BYTES:,} are allowed", where=TOPIC,
                    do="train fewer or smaller trees", exit_code=2)  # fmt: skip
    put(kafka, TOPIC, release_id.encode(), frame, deadline_s=30)


def _line(release: Release) -> str:
    manifest = release.manifest
    return f"model {manifest['model_version']} on {manifest['feature_set']}, {len(manifest['files'])} files"
