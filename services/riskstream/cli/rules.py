"""`riskstream rules`."""

import importlib.resources
from pathlib import Path
from typing import Any

import click
import numpy as np
import yaml

from riskstream.cli.options import features_option
from riskstream.cli.progress import bar
from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.rules.expression import Lists, RuleError
from riskstream.risk.rules.rule import Rule, hash_of, names_of, read_rules
from riskstream.runtime.errors import Fatal

_FILE = click.argument("file", type=click.Path(path_type=Path), required=False)


@click.group()
def command() -> None:
    """Check rules and see what they would have done. FILE is YAML; without one, the rules that ship."""


@command.command()
@_FILE
@features_option("--features")
def check(file: Path | None, features: FeatureSet) -> None:
    """Read every rule: names, types, size. Exit code 2 with one sentence where one is wrong."""
    rules, lists = _read(file, features)
    for rule in rules:
        click.echo(f"{rule.rule_id} v{rule.version}: {rule.action} when {rule.when.text}")
    click.echo(f"{len(rules)} rules are right, {len(lists)} lists")


@command.command("dry-run")
@_FILE
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Parquet of the contract's columns, sorted by time"
)
@features_option("--features")
def dry_run(file: Path | None, data: Path, features: FeatureSet) -> None:
    """What the rules would have done to these transactions. Exit code 1 where one would stop more than its max_share."""
    from riskstream.trainer.dry_run import FileRows
    from riskstream.trainer.dry_run import dry_run as run

    rules, lists = _read(file, features)
    needed = frozenset[str]().union(*(rule.when.names for rule in rules))
    rows = FileRows(data, features, names_of(features), needed)
    with bar("rules", len(rows.occurred_at)) as advance:
        outcomes = run(rules, rows, lists, advance)
    click.echo(f"{'rule':24}{'action':>8}{'alerts':>9}{'a day':>9}{'most':>7}{'share':>9}{'precision':>11}{'recall':>8}"
               f"{'fraud':>14}{'genuine':>14}")  # fmt: skip
    for each in outcomes:
        click.echo(
            f"{each.name:24}{each.action:>8}{each.matched:>9,}{each.matched / each.days:>9,.1f}{each.most_a_day:>7,}"
            f"{100 * each.share:>7.2f} %{_share(each.precision):>11}{_share(each.recall):>8}"
            f"{each.fraud_minor / 100:>14,.2f}{each.genuine_minor / 100:>14,.2f}"
        )
    refused = [each for each in outcomes if each.is_refused]
    for each in refused:
        click.echo(
            f"refused: {each.name} stops {100 * each.share:.2f} % of transactions, it may stop {100 * each.max_share:.2f} %",
            err=True,
        )
    if refused:
        raise SystemExit(1)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _read(file: Path | None, features: FeatureSet) -> tuple[list[Rule], Lists]:
    where = str(file) if file else "the rules that ship"
    try:
        text = (
            file.read_text()
            if file
            else (importlib.resources.files("riskstream.risk.rules") / "default.yaml").read_text()
        )
        given: Any = yaml.safe_load(text)
    except OSError as error:
        raise Fatal(
            what=f"it cannot be read: {error.strerror}", where=where, do="give a file of rules", exit_code=2
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Fatal(
            what=f"it is not YAML: {str(error).splitlines()[0]}", where=where, do="mend it", exit_code=2
        ) from error
    try:
        if not isinstance(given, dict) or set(given) - {"rules", "lists"}:
            raise RuleError("it must hold `rules` and, if need be, `lists`")
        rules = read_rules(given.get("rules"), names_of(features))
        lists = _lists(given.get("lists") or {})
        for rule in rules:
            if unknown := sorted(rule.when.lists - set(lists)):
                raise RuleError(f"{rule.rule_id}: there is no list {unknown[0]}")
    except RuleError as error:
        raise Fatal(what=str(error), where=where, do="mend the rule", exit_code=2) from error
    return rules, lists


def _lists(given: Any) -> dict[str, np.ndarray]:
    if not isinstance(given, dict) or not all(isinstance(values, list) for values in given.values()):
        raise RuleError("`lists` is a mapping of names to lists of texts")
    for name, values in given.items():
        if not all(isinstance(value, str) for value in values):
            raise RuleError(f"list {name} holds something that is not a text; put it in quotes")
    return {str(name): np.array(sorted(map(hash_of, values)), np.uint64) for name, values in given.items()}
