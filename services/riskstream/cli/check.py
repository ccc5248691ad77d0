"""`riskstream check`."""

from pathlib import Path

import click

from riskstream.cli.data import echo_rows_left_out, inputs_of, spare_memory
from riskstream.cli.options import InputData, base_currency_option, data_options
from riskstream.cli.outputs import begins_with_title
from riskstream.cli.progress import bar
from riskstream.runtime.files import check_file, whole
from riskstream.runtime.machine import now_ms
from riskstream.workbench.checks.check_page import HowRead, facts_of, listed, page
from riskstream.workbench.files.reader import Files
from riskstream.workbench.mapping.convert import Converter
from riskstream.workbench.mapping.file import default_mapping, read_mapping
from riskstream.workbench.mapping.looked import Looked

_TITLE = "Check of "


@click.command()
@click.argument("file", type=InputData())
@data_options
@base_currency_option
@click.option(
    "--page",
    "page_out",
    type=click.Path(path_type=Path),
    help="file to write a page with charts to, as HTML",
)
def command(
    file: Path,
    mapping: Path | None,
    accepted: tuple[str, ...],
    base_currency: str,
    page_out: Path | None,
) -> None:
    """Show what a file holds as its mapping reads it, and which rows would be left out. Nothing is
    sent, and no server is needed.

    The exit code is 1 if no row fits. `riskstream replay`, `train` and `rules dry-run` take the
    same rows.
    """
    spare_memory()
    declared = read_mapping(mapping) if mapping else None
    files = Files(file, declared.layout if declared else None)
    if page_out:
        is_own = begins_with_title(_TITLE)
        check_file(page_out, "--page", is_own=is_own, inputs=inputs_of(file, mapping))
    found = declared or default_mapping(files.names)
    converter = Converter(found, base_currency, now_ms(), accepted)
    looked = Looked()
    unused = [name for name in files.names if name not in converter.columns]
    with bar("check", files.total) as advance:
        for rows in files.batches(converter.columns, converter.absent):
            looked.add(rows, converter.convert(rows))
            advance(rows.batch.num_rows)
    if page_out and looked.survey.good:
        with whole(page_out, "--page", private=True) as partial:
            how = HowRead(mapping=found, unused=unused, currency=base_currency)
            partial.write_text(page(f"{_TITLE}{file.name}", looked, how))
        click.echo(f"page in {page_out}")
    looked.survey.check(file, accepted)
    for name, value in facts_of(looked, base_currency):
        click.echo(f"  {name:34} {value}")
    if unused:
        click.echo(f"  {'columns not used':34} {listed(unused)}")
    if files.unread:
        click.echo(f"  {'sheets not read':34} {listed(files.unread)}")
    if found.left_empty:
        click.echo(f"  {'not in the file':34} {', '.join(found.left_empty)}")
    echo_rows_left_out(looked.survey.left_out)
