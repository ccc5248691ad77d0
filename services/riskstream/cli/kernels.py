"""`riskstream compile`: compiles every kernel into numba's cache; part of the set-up, and baked into images."""

import time

import click

import riskstream.contracts.columns_kernel
import riskstream.risk.bodies
import riskstream.risk.features.input_kernel
import riskstream.risk.features.kernel
import riskstream.risk.features.key_kernel
import riskstream.risk.features.move_kernel
import riskstream.risk.features.profile_kernel
import riskstream.risk.features.repeats_kernel
import riskstream.risk.features.row_kernel
import riskstream.risk.partition
import riskstream.risk.shap_kernel
import riskstream.risk.validity  # noqa: F401  importing declares the kernels
from riskstream.runtime.kernel import compile_all


@click.command()
def command() -> None:
    """Compile the numeric kernels into the cache; quick when they are there."""
    started = time.monotonic()
    count = compile_all()
    click.echo(f"{count} kernels ready in {time.monotonic() - started:.1f} s")
