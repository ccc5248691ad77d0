"""Options that several commands share."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from riskstream.domain.risk.features.sets import SETS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_input
from riskstream.runtime.local_stack import LOCAL_DIR, kafka_address, redis_address


def _named(param: click.Parameter | None) -> str:
    """A parameter as a person gives it: --data, or FILE."""
    if isinstance(param, click.Option):
        return param.opts[-1]
    return (param.name or "").upper() if param else ""


class InputFile(click.Path):
    """A file that a command reads. Fatal before anything else is done where it is there and is no
    regular file.
    """

    def __init__(self, *, may_be_pipe: bool = False, may_be_folder: bool = False) -> None:
        super().__init__(path_type=Path)
        self._may_be_pipe = may_be_pipe
        self.may_be_folder = may_be_folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not (self.may_be_folder and path.is_dir()):
            check_input(path, _named(param), may_be_pipe=self._may_be_pipe)
        return path


class InputData(click.Path):
    """Files of rows: one, a folder of them, or a pattern in quotes. Fatal before anything else is
    done where there is none.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from riskstream.workbench.files.reader import paths_of

        path = Path(str(super().convert(value, param, ctx)))
        if not path.is_dir():
            check_input(path, _named(param))
        paths_of(path)
        return path


class InputFolder(click.Path):
    """A folder that a command reads. Fatal where it is none."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not path.is_dir():
            raise Fatal(
                what=f"{path.name} is not a folder",
                where=str(path),
                do="give a folder",
                exit_code=Exit.INPUT,
            )
        return path


def dir_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--dir FOLDER, given as `folder`: of the local stack."""
    return click.option(
        "--dir",
        "folder",
        type=click.Path(path_type=Path),
        default=LOCAL_DIR,
        show_default=True,
        help="folder of data, logs and state",
    )(function)


def kafka_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--kafka ADDR. What the command reads from there may be of schemas that it has to ask for."""
    return click.option(
        "--kafka",
        default=kafka_address,
        metavar="ADDR",
        callback=_with_schemas,
        help="Kafka bootstrap servers [default: $RISKSTREAM_KAFKA, else the local stack, else "
        "127.0.0.1:9092]",
    )(function)


def _with_schemas(_context: click.Context, _option: click.Parameter, kafka: str) -> str:
    from riskstream.platform.adapters.schemas import (
        read_schemas,  # here: commands that need no Kafka do without its client
    )

    read_schemas(kafka)
    return kafka


def redis_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--redis URL of the scorers' state."""
    return click.option(
        "--redis",
        default=redis_address,
        metavar="URL",
        callback=lambda _context, _option, url: _redis_url(url),
        help="URL of the Redis that holds the state [default: the local stack's, else "
        "redis://127.0.0.1:6379/0]",
    )(function)


def _redis_url(url: str) -> str:
    """The URL as it is; BadParameter where it has not the shape of one."""
    # here: commands that need no Redis start quicker without it
    from riskstream.runtime.settings import redis_url

    try:
        return redis_url(url)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def client_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--client WAY, given as `way`: as the services' setting."""
    return click.option(
        "--client",
        "way",
        type=click.Choice(["auto", "python"]),
        default="auto",
        show_default=True,
        help="how records are read: `auto` by compiled calls of librdkafka where all checks of it "
        "pass, `python` by calls of confluent-kafka for each record",
    )(function)


def base_currency_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--base-currency CODE: as the services' setting."""
    return click.option(
        "--base-currency",
        default="EUR",
        show_default=True,
        metavar="CODE",
        envvar="RISKSTREAM_BASE_CURRENCY",
        callback=lambda _context, _option, code: currency_code(code),
        help="base currency of the services, also from $RISKSTREAM_BASE_CURRENCY; records in "
        "another one are rejected",
    )(function)


def currency_code(code: str) -> str:
    """The code as it is; BadParameter where it has not the shape of one."""
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise click.BadParameter(f"{code} is not an ISO 4217 code: give three capital letters")
    return code


def accept_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--accept NAME: checks of what is implausible that are not made."""
    from riskstream.workbench.mapping.convert import CHECKS

    said = "; ".join(f"{name}: {what}" for name, what in CHECKS.items())
    return click.option(
        "--accept",
        "accepted",
        type=click.Choice(list(CHECKS)),
        multiple=True,
        help=f"take rows that look implausible; may be repeated. {said}",
    )(function)


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--mapping FILE and --accept NAME: how the rows of somebody's file are read."""
    mapping = click.option(
        "--mapping",
        type=InputFile(),
        help="YAML file that maps your columns to the contract's fields [default: the columns have "
        "the fields' names]",
    )
    return mapping(accept_option(function))


def features_option(flag: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """FLAG NAME, given as `features`, a FeatureSet."""
    return click.option(
        flag,
        "features",
        type=click.Choice(list(SETS)),
        default="standard",
        show_default=True,
        help="feature set (docs/features.md)",
        callback=lambda _context, _option, name: SETS[name],
    )
