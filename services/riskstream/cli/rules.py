"""`riskstream rules`."""

import importlib.resources
from pathlib import Path
from typing import Any

import click
import yaml

from riskstream.cli.data import reading_of
from riskstream.cli.list_entries import read_lists
from riskstream.cli.options import (
    InputData,
    InputFile,
    base_currency_option,
    data_options,
    features_option,
    kafka_option,
)
from riskstream.cli.rule_hits import recent_matches
from riskstream.cli.rule_trial import is_allowed, triable
from riskstream.cli.saved_rules import Saved, changed, said
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.sets import SETS
from riskstream.domain.risk.rules.listed import Entry
from riskstream.domain.risk.rules.names import RuleError
from riskstream.domain.risk.rules.rule import Rule, names_of, read_rules
from riskstream.platform.kafka.accepted import SCORES
from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.words import count_of

_FILE = click.argument("file", type=InputFile(may_be_pipe=True), required=False)


@click.group()
def command() -> None:
    """Check rules, try them on past transactions, and switch them on and off. FILE is YAML
    [default: the default rules].
    """


@command.command()
@_FILE
@features_option("--features")
def check(file: Path | None, features: FeatureSet) -> None:
    """Check the names, types and size of every rule. The first wrong rule is named, with exit code
    2.
    """
    rules, lists = _read(file, features)
    for rule in rules:
        click.echo(f"{rule.rule_id} v{rule.version}: {rule.action} when {rule.when.text}")
    click.echo(f"{count_of(len(rules), 'rule')} OK, {count_of(len(lists), 'list')}")
    if file is None:
        _echo_unfit(features)


@command.command("dry-run")
@_FILE
@click.option(
    "--data",
    type=InputData(),
    required=True,
    help="file of transactions, or one that `riskstream logged` wrote",
)
@data_options
@base_currency_option
@features_option("--features")
def dry_run_command(
    file: Path | None,
    data: Path,
    mapping: Path | None,
    accepted: tuple[str, ...],
    base_currency: str,
    features: FeatureSet,
) -> None:
    """Show what the rules would have done to past transactions. The exit code is 1 if one stops
    more than its max_share.

    In a file of `riskstream logged` features and scores are those that scorers used, and nothing is
    computed again. A warning names each rule that blocks labelled transactions of which none is a
    fraud.
    """
    rules, lists = _read(file, features)
    rules = triable(rules, data, features, are_chosen=file is not None)
    allowed = is_allowed(rules, lists, data, features, reading_of(mapping, accepted, base_currency))
    if file is None:
        _echo_unfit(features)
    if not allowed:
        raise SystemExit(Exit.NO)


@command.command()
@_FILE
@kafka_option
@click.option("--id", "only", multiple=True, help="only this rule of the file; may be repeated")
@click.option(
    "--data",
    type=InputData(),
    required=True,
    help="file of past transactions, or one that `riskstream logged` wrote; the rules are tried "
    "on it first",
)
@data_options
@base_currency_option
@click.option("--by", default="", help="your name, kept with the change")
@features_option("--features")
def on(
    file: Path | None,
    kafka: str,
    only: tuple[str, ...],
    data: Path,
    mapping: Path | None,
    accepted: tuple[str, ...],
    base_currency: str,
    by: str,
    features: FeatureSet,
) -> None:
    """Try rules on past transactions, then switch them on. Every scorer follows within a second.

    Nothing changes if a rule would stop more than its max_share (exit code 1), or uses a list that
    does not exist. Lists of FILE are written if lists.v1 has none with that name.
    """
    held = Saved.read(kafka)
    rules, lists = _read(file, features, held.entries())
    if unknown := sorted(set(only) - {rule.rule_id for rule in rules}):
        raise Fatal(
            what=f"there is no rule {unknown[0]}",
            where=str(file or "the default rules"),
            do="give an --id of it",
            exit_code=Exit.INPUT,
        )
    rules = [rule for rule in rules if not only or rule.rule_id in only]
    rules = triable(rules, data, features, are_chosen=bool(file or only))
    if not is_allowed(rules, lists, data, features, reading_of(mapping, accepted, base_currency)):
        raise SystemExit(Exit.NO)
    asked = {name for rule in rules for name in rule.when.lists}
    for name in sorted(asked - set(held.lists)):
        held.save_list(name, lists[name], by)
    if file is None and not only:
        _echo_unfit(features)
    for rule in rules:
        version = held.save_rule(rule, features.label, by, is_on=True)
        click.echo(f"{rule.rule_id} v{version} is on")


@command.command()
@click.argument("rule_ids", nargs=-1, required=True)
@kafka_option
@click.option("--by", default="", help="your name, kept with the change")
def off(rule_ids: tuple[str, ...], kafka: str, by: str) -> None:
    """Switch rules off. Every scorer follows within a second."""
    held = Saved.read(kafka)
    if unknown := sorted(set(rule_ids) - set(held.rules)):
        raise Fatal(
            what=f"there is no rule {unknown[0]}",
            where=f"rules.v1 of {kafka}",
            do="see `riskstream rules show`",
            exit_code=Exit.INPUT,
        )
    for rule_id in rule_ids:
        held.switch_off(rule_id, by)
        click.echo(f"{rule_id} is off")


@command.command()
@kafka_option
@click.option(
    "--features",
    "scored_by",
    type=click.Choice(list(SETS)),
    help="also show what scorers with this feature set refuse",
)
@click.option("--scores", default=SCORES, show_default=True, help="topic of the scores")
@click.option(
    "--recent",
    default=10_000,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="number of newest scores to look at in each partition; 0 reads none",
)
def show(kafka: str, scored_by: str | None, scores: str, recent: int) -> None:
    """Show each rule, who changed it and when, and how often it matched lately. Then show each
    record of rules.v1 and lists.v1 that scorers refuse, and what to do about it.

    Each rule is checked for the feature set that it was written for. Give --features to check it
    for that of the scorers. A rule is counted from its last change on, in the newest scores.
    """
    held = Saved.read(kafka)
    is_any_on = any(rule["is_on"] for rule in held.rules.values())
    found = recent_matches(kafka, scores, recent if is_any_on else 0)
    is_counted = recent > 0 and not found.unread
    for rule in held.rules.values():
        word = "on" if rule["is_on"] else "off"
        click.echo(
            f"{rule['rule_id']} v{rule['version']} {word}: {rule['action']} when "
            f"{rule['when']} ({rule['feature_set']})"
        )
        matched = found.said(rule["rule_id"], rule["changed_at"])
        click.echo(f"  {changed(rule)}{f'; {matched}' if rule['is_on'] and is_counted else ''}")
    if found.unread:
        click.echo(f"not known how often rules matched: {found.unread}", err=True)
    refused = held.refused(SETS[scored_by] if scored_by else None)
    for each in refused:
        click.echo(said(each))
    is_rule = {each.key for each in refused if each.reason == "rule"}
    on = sum(rule["is_on"] and rule["rule_id"] not in is_rule for rule in held.rules.values())
    click.echo(
        f"{count_of(on, 'rule')} on, {count_of(len(held.lists), 'list')}, "
        f"{count_of(len(refused), 'record')} refused"
    )


@command.command()
@click.argument("places", nargs=-1, required=True, metavar="TOPIC:PARTITION:OFFSET...")
@kafka_option
def clear(places: tuple[str, ...], kafka: str) -> None:
    """Remove records that `show` lists as refused. The record that had the key before is in force
    again, if there was one.
    """
    held = Saved.read(kafka)
    refused = {each.place: each for each in held.records.refused()}
    if unknown := sorted(set(places) - set(refused)):
        raise Fatal(
            what=f"no record at {unknown[0]} is refused, and nothing was taken out",
            where=f"rules.v1 and lists.v1 of {kafka}",
            do="see `riskstream rules show`; switch off a rule that is wrong with `riskstream "
            "rules off`",
            exit_code=Exit.INPUT,
        )
    for place in dict.fromkeys(places):
        word = (
            "what stood there before stands again"
            if held.clear(refused[place])
            else ("nothing stands there now")
        )
        click.echo(f"{place} is taken out: {word}")


def _read(
    file: Path | None, features: FeatureSet, saved: dict[str, list[Entry]] | None = None
) -> tuple[list[Rule], dict[str, list[Entry]]]:
    where = str(file) if file else "the default rules"
    try:
        text = file.read_text() if file else _default_text()
        given: Any = yaml.safe_load(text)
    except OSError as error:
        raise Fatal(
            what=f"it cannot be read: {cause(error)}",
            where=where,
            do="give a file of rules",
            exit_code=Exit.INPUT,
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Fatal(
            what=f"it is not YAML: {cause(error)}",
            where=where,
            do="correct it",
            exit_code=Exit.INPUT,
        ) from error
    try:
        if not isinstance(given, dict) or set(given) - {"rules", "lists"}:
            raise RuleError("it must hold `rules` and, if need be, `lists`")
        chosen = given.get("rules")
        if file is None:
            chosen = [each for each in chosen or [] if _fits(each, features)]
        rules = read_rules(chosen, names_of(features))
        lists = {**read_lists(given.get("lists") or {}), **(saved or {})}
        for rule in rules:
            if unknown := sorted(rule.when.lists - set(lists)):
                raise RuleError(f"{rule.rule_id}: there is no list {unknown[0]}")
    except RuleError as error:
        raise Fatal(
            what=str(error), where=where, do="correct the rule", exit_code=Exit.INPUT
        ) from error
    return rules, lists


def _fits(given: dict[str, Any], features: FeatureSet) -> bool:
    """Of the rules that ship, those whose names this feature set has."""
    try:
        read_rules([given], names_of(features))
    except RuleError:
        return False
    return True


def _echo_unfit(features: FeatureSet) -> None:
    """The rules that ship and do not fit the feature set, and which set they fit."""
    for each in yaml.safe_load(_default_text())["rules"]:
        if _fits(each, features):
            continue
        name = next(name for name, known in SETS.items() if _fits(each, known))
        keys = " and ".join(entity.key for entity in SETS[name].profiles)
        click.echo(
            f"the default rule {each['id']} is left out, as {features.label} has no such features: "
            f"give `--features {name}` and data with {keys} to use it",
            err=True,
        )


def _default_text() -> str:
    """The rules that ship."""
    return (importlib.resources.files("riskstream.domain.risk.rules") / "default.yaml").read_text()
