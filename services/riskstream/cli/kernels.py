"""`riskstream compile`: compiles every kernel into numba's cache; part of the set-up, and baked
into images.
"""

import time

import click

import riskstream.domain.contracts.columns_kernel
import riskstream.domain.contracts.json_rows_kernel
import riskstream.domain.contracts.proto_rows_kernel
import riskstream.domain.risk.bodies
import riskstream.domain.risk.customers.kernel
import riskstream.domain.risk.customers.tiles_kernel
import riskstream.domain.risk.features.keys.key_kernel
import riskstream.domain.risk.features.owned.corrections_kernel
import riskstream.domain.risk.features.owned.input_kernel
import riskstream.domain.risk.features.owned.kernel
import riskstream.domain.risk.features.owned.move_kernel
import riskstream.domain.risk.features.owned.repeats_kernel
import riskstream.domain.risk.features.owned.row_kernel
import riskstream.domain.risk.features.profiles.profile_kernel
import riskstream.domain.risk.hours_kernel
import riskstream.domain.risk.partition
import riskstream.domain.risk.resample_kernel
import riskstream.domain.risk.shap_kernel
import riskstream.domain.risk.trees.trees_kernel
import riskstream.domain.risk.validity
import riskstream.platform.kafka.clients.native.kernels
import riskstream.workbench.files.lines_kernel
import riskstream.workbench.mapping.looks_kernel  # noqa: F401  importing declares the kernels
from riskstream.cli.progress import bar
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.words import count_of


@click.command()
def command() -> None:
    """Compile the numeric code into a cache. This is quick when it is compiled already."""
    started = time.monotonic()
    count = compile_all(bar)
    click.echo(f"{count_of(count, 'kernel')} ready in {time.monotonic() - started:.1f} s")
