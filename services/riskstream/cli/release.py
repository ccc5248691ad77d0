"""`riskstream release`."""

import json
import time
from pathlib import Path

import click

from riskstream.cli.options import InputFile, features_option
from riskstream.cli.outputs import is_release
from riskstream.cli.release_channel import activate, adopt, list_command, withdraw
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.sets import set_of
from riskstream.platform.adapters.release import Release, check_fits, pack, read
from riskstream.platform.adapters.signing import PublicKey, make_keys
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_file, whole

_FILE = click.argument("file", type=InputFile())


@click.group()
def command() -> None:
    """Pack, verify, activate and withdraw releases. A release is one signed file with a model and
    all it needs.
    """


@command.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="private key file to write; the public key gets the same name with .pub",
)
def keygen(out: Path) -> None:
    """Make a pair of Ed25519 keys, to sign and to verify releases."""
    public = make_keys(out)
    click.echo(
        f"private key {out}: keep it where releases are signed; public key {public}: give it "
        "to the scorers"
    )


@command.command("pack")
@click.argument("model", type=click.Path(path_type=Path))
@features_option("--features")
@click.option("--key", type=InputFile(), required=True, help="private key to sign with")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="release file to write")
@click.option(
    "--parity",
    type=InputFile(),
    help="result of `riskstream parity --json`; a result with mismatches is refused",
)
def pack_command(
    model: Path, features: FeatureSet, key: Path, out: Path, parity: Path | None
) -> None:
    """Pack MODEL, a folder that `riskstream train` wrote, into one file and sign it."""
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
        is_whole, counts = (
            bool(found["is_whole"]),
            {name: each for name, each in found.items() if type(each) is int},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fatal(
            what=f"it is not a result of parity: {error!r}",
            where=str(path),
            do="run `riskstream parity --json`",
            exit_code=Exit.INPUT,
        ) from error
    if not is_whole:
        wrong = ", ".join(
            f"{name} {each}"
            for name, each in counts.items()
            if each and ("differ" in name or "without" in name)
        )
        raise Fatal(
            what=f"parity does not hold ({wrong or 'nothing was compared'})",
            where=str(path),
            do="find why logged and computed features differ; nothing was packed",
        )
    return counts


@command.command()
@_FILE
@click.option("--key", type=InputFile(), required=True, help="public key of the signer")
def verify(file: Path, key: Path) -> None:
    """Check the signature, the hash of every file, and that this version can run the release."""
    release = read(file, PublicKey.read(key))
    if (features := set_of(release.manifest["feature_set"])) is not None:
        check_fits(release, features, str(file))
    click.echo(f"release {release.release_id}: signed by {key.name}, whole, {_line(release)}")


@command.command()
@_FILE
def show(file: Path) -> None:
    """Print what a release holds. This does not check the signature; `verify` does."""
    release = read(file, None)
    click.echo(
        json.dumps({"release": release.release_id, **release.manifest}, indent=2, sort_keys=True)
    )


for each in (activate, withdraw, list_command, adopt):
    command.add_command(each)


def _line(release: Release) -> str:
    manifest = release.manifest
    return (
        f"model {manifest['model_version']} on {manifest['feature_set']}, "
        f"{len(manifest['files'])} files"
    )
