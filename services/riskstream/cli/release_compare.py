"""A release that is to be activated beside the one that is live, on the rows of a file: what
`riskstream compare` shows of two models.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from riskstream.cli.compare import scores_of, show
from riskstream.cli.figures import echo_left_out, number
from riskstream.cli.patience import patiently
from riskstream.cli.progress import bar
from riskstream.cli.release_desk import read_standing
from riskstream.platform.adapters.release import Release, unpack
from riskstream.platform.adapters.signing import PublicKey
from riskstream.workbench.checks.compare import WORSE, compare
from riskstream.workbench.checks.intervals import RESAMPLES
from riskstream.workbench.checks.model_scores import OfflineModel
from riskstream.workbench.checks.scored import joined
from riskstream.workbench.checks.trained import trained_notes
from riskstream.workbench.rows.transactions import Reading

_NO_BUDGET = 0.01
"""Models decide, so that no share of the rows is alerted instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The rows to compare on, and how they are read."""

    data: Path
    reading: Reading


def show_beside_live(kafka: str, public: PublicKey, release: Release, given: Beside) -> int:
    """Print how its figures, decisions and money differ from the live release's, with a warning for
    each figure that is worse. The number of the head by which that one is live, 0 where none is.
    """
    standing = patiently(lambda: read_standing(kafka))
    head = standing.channel(public, release.manifest["feature_set"], []).head
    if head is None or not head.active:
        click.echo("no release is active: there is none to compare with")
        return 0 if head is None else head.number
    live = standing.release(head.active[0], public)
    if live is None:
        click.echo(
            f"warning: nothing is compared: the content of the active release "
            f"{head.active[0].release_id} is not there",
            err=True,
        )
    elif live.release_id == release.release_id:
        click.echo(f"release {live.release_id} is active already: there is nothing to compare")
    else:
        _show(live, release, given)
    return head.number


def _show(live: Release, release: Release, given: Beside) -> None:
    names = [Path(f"release {each.release_id}") for each in (live, release)]
    with tempfile.TemporaryDirectory() as folder:
        models = {}
        for name, each in zip(names, (live, release), strict=True):
            place = Path(folder) / each.release_id
            place.mkdir()
            unpack(each, place)
            models[name] = OfflineModel(place)
        tables, labels = scores_of(models, (given.data, given.reading))
    a, b = joined([(tables[name], name) for name in names], (labels, given.data), _NO_BUDGET)
    with bar("resamples", 2 * RESAMPLES) as advance:
        found = compare(a, b, RESAMPLES, advance)
    for letter, name in zip("AB", names, strict=True):
        notes = trained_notes(models[name].card.trained_ms, a.occurred_at)
        found["notes"] += [f"{letter}: {note}" for note in notes]
    click.echo(f"A is {names[0]}, which is live; B is {names[1]}")
    show(found)
    echo_left_out(found)
    _warn(found)


def _warn(found: dict[str, Any]) -> None:
    for name, each in found["figures"].items():
        if each["b_is"] == WORSE:
            click.echo(
                f"warning: on these rows {name} of the new release is worse: "
                f"{number(each['b'])} in place of {number(each['a'])}",
                err=True,
            )
