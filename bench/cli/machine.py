"""Commands about the machine that comparisons run on: noise, and doctor, which says what spoils them."""

from functools import partial

import click

from bench.cli import options
from bench.cli.compare import CHOICE, Choice
from bench.cli.options import Data, Output, Place

NOISE_PAIRS = 8


@click.command()
@click.option(
    "--pairs", default=NOISE_PAIRS, show_default=True, type=click.IntRange(4), help="Pairs of processes a cell."
)
@CHOICE
@options.PLACE
@options.DATA
@options.OUTPUT
def noise(pairs: int, choice: Choice, place: Place, data: Data, output: Output) -> None:
    """Measure this machine's noise: code against itself.

    Says what slowdown that lets a comparison detect in 1, 5 and 20 minutes.

    Example: python -m bench noise --model squeezenet
    """
    from bench.compare import calibrate
    from bench.run import sweep

    cells, source = choice.cells(place), data.source()
    sweep.check(cells, source, tell=options.tell)
    output.check_writable()
    options.leave(calibrate.run(cells, source, output.results, pairs=pairs, as_json=output.json))


@click.command()
@click.option("--seconds", type=options.TIME, default="3", show_default=True, help="How long to watch.")
@options.JSON
def doctor(seconds: float, json: bool) -> None:
    """Find what makes timings on this machine noisy.

    Exit code: 0 nothing bad, 1 something is bad.

    Example: python -m bench doctor
    """
    from bench.machine import doctor as doctors

    options.tell(f"watching for {seconds:g} s")
    findings = doctors.examine(seconds=seconds)
    options.show(doctors.to_json(findings), [partial(doctors.show, findings)], json=json)
    options.leave(doctors.exit_code(findings))


COMMANDS = (noise, doctor)
