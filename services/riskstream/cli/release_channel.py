"""`riskstream release activate|withdraw|list|adopt`: what scorers decide by while they run."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from riskstream.cli.moments import moment
from riskstream.cli.options import (
    InputData,
    InputFile,
    base_currency_option,
    data_options,
    kafka_option,
)
from riskstream.cli.patience import patiently
from riskstream.cli.release_desk import Change, Standing, change, legacy_withdrawn
from riskstream.cli.release_figures import worse
from riskstream.cli.release_list import described, lines, said_last
from riskstream.cli.release_scores import ScoreWatch, Use, in_use_at_the_end, name_of
from riskstream.domain.risk.features.sets import set_of
from riskstream.platform.adapters.release import Release, check_fits, read, read_bytes
from riskstream.platform.adapters.release_records import (
    MAX_BY,
    MAX_WHY,
    RELEASES,
    Active,
    Head,
    Withdrawn,
    content_frame,
    content_key,
    content_of,
)
from riskstream.platform.adapters.signing import PublicKey, public_of
from riskstream.platform.kafka.accepted import SCORES
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

_KEY = click.option(
    "--key", type=InputFile(), required=True, help="private key to sign the change with"
)
_BY = click.option(
    "--by",
    default="",
    callback=lambda _context, _option, by: by[:MAX_BY],
    help="your name, kept with the change",
)
_WAIT = click.option(
    "--wait-s",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 600),
    help="seconds to watch how scorers react; 0 does not watch",
)
_SCORES = click.option("--scores", default=SCORES, show_default=True, help="topic of the scores")


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of what changes the channel."""
    for option in (_SCORES, _WAIT, _BY, kafka_option, _KEY):
        function = option(function)
    return function


@click.command()
@click.argument("file", type=InputFile())
@click.option(
    "--data",
    type=InputData(),
    help="file of transactions with is_fraud; first show there how the new model differs from the "
    "live one",
)
@data_options
@base_currency_option
@click.option("--dry-run", is_flag=True, help="with --data: show the difference, activate nothing")
@_each
def activate(
    file: Path,
    key: Path,
    kafka: str,
    by: str,
    wait_s: float,
    scores: str,
    data: Path | None = None,
    mapping: Path | None = None,
    accepted: tuple[str, ...] = (),
    base_currency: str = "",
    dry_run: bool = False,
) -> None:
    """Switch running scorers to this release within seconds, between two batches.

    Only scorers with the same feature set and the signer's public key (--release-key) follow. The
    command reports what the scorers did, and warns if the new model's figures are worse. With
    --data it first shows what `riskstream compare` shows of the live model and the new one. The
    exit code is 3, and nothing changes, if somebody else activated or withdrew a release meanwhile.
    """
    if dry_run and data is None:
        raise Fatal(
            what="--dry-run compares on the rows of --data, which is not given",
            where="command line",
            do="give --data, or leave out --dry-run",
            exit_code=Exit.INPUT,
        )
    public = public_of(key)
    raw = _bytes_of(file)
    release = read_bytes(raw, public, file.name)
    feature_set = release.manifest["feature_set"]
    if features := _features(feature_set):
        check_fits(release, features, str(file))
    wanted = _Activation(raw=raw, release=release, key=key, by=by, kafka=kafka)
    if data is not None:
        given = data, mapping, accepted, base_currency
        wanted.seen = _show_beside_live(kafka, public, release, given)
    if dry_run:
        return
    with patiently(lambda: ScoreWatch(kafka, scores)) as watch:
        (done,), at = change(kafka, key, by, wanted.decide)
        for warning in wanted.warnings:
            click.echo(f"warning: {warning}", err=True)
        manifest = release.manifest
        click.echo(
            f"release {release.release_id} is active: model {manifest['model_version']} on "
            f"{feature_set}, number {done.head.number}"
        )
        if wait_s:
            uses = watch.uses(feature_set, at, wait_s, release.release_id, wants=True)
            _say_taken_up(uses, at, wait_s, release.release_id, watch.partition_count)


@dataclass(slots=True, kw_only=True)
class _Activation:
    """A release that is to be active. `seen`: number of the head that whoever activates it looked
    at; `warnings`: in which ways it is worse.
    """

    raw: bytes
    release: Release
    key: Path
    by: str
    kafka: str
    seen: int | None = None
    warnings: list[str] = field(default_factory=list)

    def decide(self, standing: Standing, at: int) -> list[Change]:
        """The head after the one that stands. Fatal where it is not the one that was seen."""
        public, release = public_of(self.key), self.release
        feature_set = release.manifest["feature_set"]
        _refuse_another(standing, public, release)
        before = standing.channel(public, feature_set, []).head or Head(
            feature_set=feature_set, number=0
        )
        self.seen = before.number if self.seen is None else self.seen
        # who activates has looked at what is live: that has changed under his hands
        if before.number != self.seen:
            raise Fatal(
                what=f"meanwhile {said_last(before)}, and nothing was activated",
                where=f"{RELEASES} of {self.kafka}",
                do="look at `riskstream release list`, and activate again if it is still wanted",
                exit_code=Exit.NOT_NOW,
            )
        live = standing.release(before.active[0], public) if before.active else None
        self.warnings = _warnings(before, release, live)
        record = (
            content_key(release.release_id, public.fingerprint),
            content_frame(self.raw, release, self.key, at, self.by),
        )
        entry = Active(
            release_id=release.release_id,
            sha256=hashlib.sha256(self.raw).hexdigest(),
            at=at,
            by=self.by,
        )
        return [Change(before.activated(entry), [record])]


@click.command()
@click.argument("release")
@_each
@click.option(
    "--why",
    default="",
    callback=lambda _context, _option, why: why[:MAX_WHY],
    help="reason, kept with the change",
)
def withdraw(
    release: str, key: Path, kafka: str, by: str, wait_s: float, scores: str, why: str
) -> None:
    """Stop scorers from using RELEASE, an id or a release file, within a second.

    They go back to the newest release that is still active, else to the one they were started with.
    If none is left, they review every payment. The exit code is 1 if scores by RELEASE go on.
    """
    public = public_of(key)
    given = read(Path(release), public) if Path(release).is_file() else None
    release_id = given.release_id if given else release

    seen: dict[str, int] = {}
    meanwhile: list[str] = []

    def decide(standing: Standing, at: int) -> list[Change]:
        entry = Withdrawn(release_id=release_id, at=at, by=by, why=why)
        changes = []
        meanwhile.clear()
        for feature_set in sorted(
            {name for name, signer in standing.heads() if signer == public.fingerprint}
        ):
            head = standing.channel(public, feature_set, []).head
            if head is not None and head.number != seen.setdefault(feature_set, head.number):
                meanwhile.append(said_last(head))
            is_of_it = given is not None and given.manifest["feature_set"] == feature_set
            if head is not None and (
                head.is_active(release_id) or head.is_withdrawn(release_id) or is_of_it
            ):
                changes.append(Change(head.without(entry)))
        if not changes and given is not None:
            changes.append(
                Change(Head(feature_set=given.manifest["feature_set"], number=0).without(entry))
            )
        if not changes:
            raise _not_there(standing, release_id, public, kafka)
        changes[0].records += legacy_withdrawn(standing, release_id, at, by)
        return changes

    with patiently(lambda: ScoreWatch(kafka, scores)) as watch:
        changes, at = change(kafka, key, by, decide)
        for each in meanwhile:
            click.echo(f"warning: meanwhile {each}; the withdrawal stands on top of that", err=True)
        click.echo(f"release {release_id} is withdrawn, number {changes[0].head.number}")
        is_over = [_say_left(each.head, watch, at, wait_s, release_id) for each in changes]
    if not all(is_over):
        raise SystemExit(Exit.NO)


@click.command("list")
@kafka_option
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=InputFile(),
    help="public key to check signatures with; may be repeated",
)
@_SCORES
@click.option(
    "--recent",
    default=200,
    show_default=True,
    type=click.IntRange(0, 100_000),
    help="number of newest scores to look at in each partition",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def list_command(
    kafka: str, keys: tuple[Path, ...], scores: str, recent: int, as_json: bool
) -> None:
    """Show which releases are active, in use, withdrawn or refused, and why. Without --key no
    signature is checked.
    """
    found = described(kafka, [PublicKey.read(each) for each in keys], scores, recent)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for line in lines(found):
        click.echo(line)


@click.command()
@_KEY
@_BY
@kafka_option
def adopt(key: Path, by: str, kafka: str) -> None:
    """Sign the releases that an older riskstream activated without a signature. Run it once, before
    you upgrade scorers.

    Only releases whose file this key signed are included.
    """
    public = public_of(key)

    def decide(standing: Standing, at: int) -> list[Change]:
        heads: dict[str, Head] = {}
        contents: dict[str, list[tuple[bytes, bytes]]] = {}
        for release_id, record in sorted(
            standing.unsigned().items(), key=lambda each: (_moment(each[1]), each[0])
        ):
            if record["status"] != "ACTIVE":
                continue
            try:
                release = read_bytes(content_of(record), public, f"{RELEASES}, {release_id}")
            except Fatal as error:
                click.echo(f"left out: {release_id}: {error.what}", err=True)
                continue
            label = release.manifest["feature_set"]
            head = (
                heads.get(label)
                or standing.channel(public, label, []).head
                or Head(feature_set=label, number=0)
            )
            if (
                release.release_id != release_id
                or head.is_active(release_id)
                or head.is_withdrawn(release_id)
            ):
                continue
            raw = content_of(record)
            entry = Active(
                release_id=release_id,
                sha256=hashlib.sha256(raw).hexdigest(),
                at=at,
                by=str(record["changed_by"])[:MAX_BY],
            )
            heads[label] = head.activated(entry)
            frame = content_frame(raw, release, key, at, by)
            contents.setdefault(label, []).append(
                (content_key(release_id, public.fingerprint), frame)
            )
        return [Change(head, contents[label]) for label, head in heads.items()]

    changes, _ = change(kafka, key, by, decide)
    for each in changes:
        click.echo(
            f"{each.head.feature_set}: {len(each.records)} signed, newest "
            f"{each.head.active[0].release_id}"
        )
    if not changes:
        click.echo("nothing to sign: every active release that this key signed is listed already")


def _show_beside_live(
    kafka: str,
    public: PublicKey,
    release: Release,
    given: tuple[Path, Path | None, tuple[str, ...], str],
) -> int:
    """The number of the head that is live while it is compared."""
    # here: a kill switch must not wait for what only a comparison needs
    from riskstream.cli.data import reading_of
    from riskstream.cli.release_compare import Beside, show_beside_live

    data, mapping, accepted, base_currency = given
    beside = Beside(data=data, reading=reading_of(mapping, accepted, base_currency))
    return show_beside_live(kafka, public, release, beside)


def _moment(record: dict[str, object]) -> int:
    return int(str(record["changed_at"]))


def _bytes_of(file: Path) -> bytes:
    read(file, None)  # says in one sentence what is wrong with it
    return file.read_bytes()


def _features(label: str) -> Any:
    return set_of(label)


def _refuse_another(standing: Standing, public: PublicKey, release: Release) -> None:
    """Fatal where this signer's record of the release's id holds another content: an id is of one
    content.
    """
    for held in standing.releases(release.release_id, public):
        if _lasting(held) != _lasting(release):
            raise Fatal(
                what=f"release {release.release_id} of key {public.fingerprint} exists already "
                "with other content",
                where=RELEASES,
                do="train and pack the model again: one id has one content",
                exit_code=Exit.INPUT,
            )


def _lasting(release: Release) -> dict[str, Any]:
    return {name: value for name, value in release.manifest.items() if name != "made_at"}


def _warnings(before: Head, release: Release, live: Release | None) -> list[str]:
    said = []
    for each in before.withdrawn:
        if each.release_id == release.release_id:
            why = f": {each.why}" if each.why else ""
            said.append(
                f"it was withdrawn at {moment(each.at)} by {each.by or 'nobody named'}{why}"
            )
    if live is not None and live.release_id != release.release_id:
        said += [
            f"{each} (release {live.release_id}, which it takes the place of)"
            for each in worse(release, live)
        ]
    return said


def _say_taken_up(
    uses: dict[str, Use], at: int, wait_s: float, release_id: str, partitions: int
) -> None:
    if not uses:
        click.echo(
            f"scorers: no payment was scored within {wait_s:g} s, so nothing is known of what "
            "they did"
        )
        return
    mine = uses.get(release_id)
    if mine is not None:
        click.echo(
            f"scorers: the first score by it came after {(mine.first - at) / 1000:.2f} s;"
            f" {mine.count} so far, on {len(mine.partitions)} of {partitions} partitions"
        )
    for name, use in in_use_at_the_end(uses).items():
        if name != release_id:
            click.echo(
                f"warning: partitions {_numbers(use)} are still scored by {name_of(name)}: "
                "those scorers refuse it, as their logs"
                " say, follow another key, or none (--release-key)",
                err=True,
            )


def _say_left(head: Head, watch: ScoreWatch, at: int, wait_s: float, release_id: str) -> bool:
    """False where scores by what was withdrawn go on."""
    if head.active:
        click.echo(f"{head.feature_set}: scorers go back to release {head.active[0].release_id}")
    else:
        click.echo(
            f"{head.feature_set}: no release is active: scorers go back to the --release "
            "or --model they were started with;"
            " those without one review every payment (flag no_score)"
        )
    if not wait_s:
        return True
    uses = watch.uses(head.feature_set, at, wait_s, release_id, wants=False)
    if not uses:
        click.echo(
            f"scorers: no payment was scored within {wait_s:g} s, so nothing is known of what "
            "they did"
        )
        return True
    now = in_use_at_the_end(uses)
    if (left := now.get(release_id)) is not None:
        click.echo(
            f"warning: partitions {_numbers(left)} are still scored by it after "
            f"{(left.last - at) / 1000:.1f} s: those scorers"
            " follow another key, or none: restart them with --release-key and another --release",
            err=True,
        )
        return False
    last = (
        f"the last score by it came after {(uses[release_id].last - at) / 1000:.2f} s"
        if release_id in uses
        else "no score by it"
    )
    click.echo(
        f"scorers: {last}; now "
        f"{', '.join(f'{name_of(name)} ({each.model})' for name, each in now.items())}"
    )
    return True


def _not_there(standing: Standing, release_id: str, public: PublicKey, kafka: str) -> Fatal:
    others = {
        str(each.record["signer"])
        for each in standing.found
        if each.record["signer"]
        and each.key.startswith(f"{release_id}.")
        and each.record["signer"] != public.fingerprint
    }
    if others:
        return Fatal(
            what=f"release {release_id} was signed by key {', '.join(sorted(others))}, not by "
            f"{public.fingerprint}",
            where=f"{RELEASES} of {kafka}",
            do="give the --key that activated it",
            exit_code=Exit.INPUT,
        )
    if release_id in standing.unsigned():
        return Fatal(
            what=f"release {release_id} was activated without a signature, and no scorer of this "
            "version decides by it",
            where=f"{RELEASES} of {kafka}",
            do="run `riskstream release adopt` first",
            exit_code=Exit.INPUT,
        )
    return Fatal(
        what=f"there is no release {release_id}",
        where=f"{RELEASES} of {kafka}",
        do="give the id that activate printed, or, for one that scorers were started with, "
        "its file",
        exit_code=Exit.INPUT,
    )


def _numbers(use: Use) -> str:
    return ", ".join(map(str, sorted(use.partitions)))
