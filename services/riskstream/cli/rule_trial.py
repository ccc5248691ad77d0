"""Rules tried on past transactions: what a dry run prints, and whether the rules may be switched
on.
"""

from collections.abc import Mapping
from pathlib import Path

import click

from riskstream.cli.data import echo_rows_left_out
from riskstream.cli.progress import bar
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.money import shown
from riskstream.domain.risk.rules.listed import Entry, members
from riskstream.domain.risk.rules.rule import Rule, hash_of, names_of
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.words import count_of
from riskstream.workbench.checks.dry_run import Outcome, dry_run
from riskstream.workbench.checks.tried_rows import (
    FileRows,
    LoggedFileRows,
    TriedRows,
    not_logged,
)
from riskstream.workbench.rows.logged import is_logged
from riskstream.workbench.rows.transactions import Reading


def is_allowed(
    rules: list[Rule],
    lists: Mapping[str, list[Entry]],
    data: Path,
    features: FeatureSet,
    reading: Reading,
) -> bool:
    """Print what the rules would have done; False where one would stop more than its max_share."""
    rows = _rows(rules, data, features, reading)
    hashed = {name: members(entries, hash_of) for name, entries in lists.items()}
    with bar("rules", len(rows.occurred_at)) as advance:
        outcomes = dry_run(rules, rows, hashed, advance)
    _echo_table(outcomes, rows.base_currency)
    if isinstance(rows, LoggedFileRows) and rows.lacks_stage2:
        click.echo(
            "an older riskstream wrote the file: each score is the first stage's, also where a "
            "second stage decided",
            err=True,
        )
    if rows.left_empty:
        empty = ", ".join(rows.left_empty)
        click.echo(f"not in the mapping, and so empty in each row: {empty}", err=True)
    echo_rows_left_out(rows.left_out)
    for each in outcomes:
        if each.blocks_no_fraud:
            click.echo(
                f"warning: {each.name} blocks {count_of(each.labelled, 'labelled transaction')}, "
                "and none of them is a fraud",
                err=True,
            )
    refused = [each for each in outcomes if each.is_refused]
    for each in refused:
        click.echo(
            f"refused: {each.name} stops {100 * each.share:.2f} % of transactions, it may "
            f"stop {100 * each.max_share:.2f} %",
            err=True,
        )
    return not refused


def triable(rules: list[Rule], data: Path, features: FeatureSet, *, are_chosen: bool) -> list[Rule]:
    """The rules that can be tried on the data. What scorers logged lacks fields: a rule that reads
    one is Fatal if somebody chose it, else left out and told.
    """
    if not is_logged(data):
        return rules
    out = []
    for rule in rules:
        missing = not_logged(rule.when.reads, features)
        if missing and are_chosen:
            raise Fatal(
                what=f"{rule.rule_id} reads {missing[0]}, which scorers do not log",
                where=str(data),
                do="try it on a file of transactions",
                exit_code=Exit.INPUT,
            )
        if missing:
            click.echo(f"left out: {rule.rule_id}: scorers do not log {missing[0]}", err=True)
        else:
            out.append(rule)
    return out


def _rows(rules: list[Rule], data: Path, features: FeatureSet, reading: Reading) -> TriedRows:
    needed = frozenset[str]().union(*(rule.when.reads for rule in rules))
    if not is_logged(data):
        return FileRows(data, features, names_of(features), needed, reading)
    if reading.mapping is not None or reading.accepted:
        raise Fatal(
            what="`riskstream logged` wrote the file, which needs no mapping",
            where=str(data),
            do="leave out --mapping and --accept",
            exit_code=Exit.INPUT,
        )
    return LoggedFileRows(data, features, needed, reading.base_currency)


def _echo_table(outcomes: list[Outcome], currency: str) -> None:
    click.echo(
        f"{'rule':24}{'action':>8}{'alerts':>9}{'a day':>9}{'most':>7}{'share':>9}"
        f"{'precision':>11}{'recall':>8}{'fraud':>14}{'genuine':>14}"
    )
    for each in outcomes:
        fraud, genuine = shown(each.fraud_minor, currency), shown(each.genuine_minor, currency)
        click.echo(
            f"{each.name:24}{each.action:>8}{each.matched:>9,}{each.matched / each.days:>9,.1f}"
            f"{each.most_a_day:>7,}{100 * each.share:>7.2f} %"
            f"{_share(each.precision):>11}{_share(each.recall):>8}{fraud:>14}{genuine:>14}"
        )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
