"""`riskstream release`."""

import json
import time
from pathlib import Path

import click

from riskstream.adapters.release import Release, check_fits, pack, read
from riskstream.adapters.signing import make_keys
from riskstream.cli.options import features_option
from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.features.sets import SETS
from riskstream.runtime.files import whole

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
def pack_command(model: Path, features: FeatureSet, key: Path, out: Path) -> None:
    """Pack the folder MODEL of `riskstream train` and sign it."""
    release_id, content = pack(model, features, key, int(time.time() * 1000))
    with whole(out) as partial:
        partial.write_bytes(content)
    click.echo(f"release {release_id} in {out}, {len(content):,} bytes")


@command.command()
@_FILE
@click.option("--key", type=click.Path(path_type=Path), required=True, help="public key of the signer")
def verify(file: Path, key: Path) -> None:
    """Check signature, every file's hash, and that this riskstream has the contracts it was made for."""
    release = read(file, key)
    name = release.manifest["feature_set"].rsplit(".", 1)[0]
    if name in SETS:
        check_fits(release, SETS[name], file)
    click.echo(f"release {release.release_id}: signed by {key.name}, whole, {_line(release)}")


@command.command()
@_FILE
def show(file: Path) -> None:
    """Print what a release holds. Its signature is not looked at: `verify` does that."""
    release = read(file, None)
    click.echo(json.dumps({"release": release.release_id, **release.manifest}, indent=2, sort_keys=True))


def _line(release: Release) -> str:
    manifest = release.manifest
    return f"model {manifest['model_version']} on {manifest['feature_set']}, {len(manifest['files'])} files"
