"""Commands on what a device can do at most: peak."""

import json as json_text

import click

from bench.cli import options
from bench.cli.options import Output, Places
from flowers_core import backends, progress
from flowers_core.cli import entry

NOTHING_MEASURED = 3


@click.command()
@options.PLACES
@options.OUTPUT
def peak(places: Places, output: Output) -> None:
    """Measure the peak rates of this machine: matmul, memory.

    Matrix products in each number format, and copies within the device's memory. Tables and page hold the arithmetic of
    each model against them: model FLOP utilisation, and whether memory or arithmetic is the limit (roofline).

    Exit code: 0 done, 2 wrong use, 3 no device to measure on.

    Example: python -m bench peak

    Example: python -m bench peak --device gpu --backend jax,torch
    """
    from bench.results import store
    from bench.run import peak as peaks

    output.check_writable()
    chosen = places.each()
    for place in chosen:
        backends.check_installed(place.backend)
    measured = []
    for place in progress.track(chosen, "backends", len(chosen)):
        measured.append(peaks.measure(**place.fields()))
        store.append(measured[-1], output.results)
    if output.json:
        for result in measured:
            click.echo(json_text.dumps(result.to_json()))
    else:
        for result in measured:
            entry.say(f"{result.backend} on {result.device}{f': n/a: {result.reason}' if result.reason else ''}")
            for name, limit in result.limits.items():
                entry.say(
                    f"  {name}: {limit['value']:,.1f} [{limit['low']:,.1f}, {limit['high']:,.1f}] {limit['unit']}"
                )
    options.leave(0 if any(result.limits for result in measured) else NOTHING_MEASURED)


COMMANDS = (peak,)
