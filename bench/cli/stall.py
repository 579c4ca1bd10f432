"""Words of the lab on feeding: feed, stages. Each parses, calls and exits, nothing else."""

import json as json_text
from pathlib import Path

import click

from bench.cli import options
from bench.cli.compare import split
from bench.input.stall.stages import STAGES
from flowers_core import models
from flowers_core.backends.precision import PRECISIONS
from flowers_core.cli import entry
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES

AUTOTUNE_SECONDS = 2.0


@click.command()
@click.option(
    "--profile",
    default="quick",
    show_default=True,
    metavar="NAME",
    help="`quick`: every model once, minutes. `full`: one of each kind by every pipeline as well.",
)
@click.option(
    "--model", "named", multiple=True, metavar="NAME[,NAME]", help=f"{', '.join(models.MODELS)}. [those of the profile]"
)
@click.option("--pipeline", "piped", multiple=True, metavar="NAME[,NAME]", help=f"{', '.join(PIPELINES)}.")
@click.option("--batch-size", type=click.IntRange(1), help="Over all replicas. [8, heavy models 1]")
@click.option("--precision", type=click.Choice(PRECISIONS), default="float32", show_default=True)
@click.option(
    "--step-times",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Measurements of another machine, replayed as well; may be given again.",
)
@click.option("--emulated", is_flag=True, help="Only emulate accelerators: no model is measured here.")
@click.option("--rounds", default=1, show_default=True, type=click.IntRange(1), help="Of three fresh processes a cell.")
@click.option("--seconds", type=options.TIME, default="2", show_default=True, help="How long each process is timed.")
@click.option("--timeout", type=options.TIME, default="10m", show_default=True, help="Limit for one process.")
@click.option("--show-last", is_flag=True, help="Measure nothing: show again what is stored of this machine and code.")
@options.DATA
@options.PLACE
@options.RESULTS
@options.JSON
def stall(*, show_last, results, json, **asked) -> None:  # fmt: skip
    """Does input hold the models up? Each is measured three times: pipeline alone, step alone, both together.

    Then what each model and each emulated accelerator eats against what this host delivers, and what would help.
    Exit code: 0 done, 1 some cell failed, 2 wrong use, 3 nothing measured, 130 interrupted: what has ended is kept.

    Example: python -m bench stall --profile quick

    Example: python -m bench stall --model dense --pipeline photos_one_by_one,records_parallel --rounds 3
    """
    from bench.input.stall import campaign

    if show_last:
        code, found = 0, campaign.stored(results)
    else:
        plan = _plan(**asked)
        code, found = campaign.run(plan, results, tell=options.tell)
    if json:
        for row in found.plain():
            click.echo(json_text.dumps(row))
    else:
        campaign.show(found, results)
    raise click.exceptions.Exit(code)


def _plan(*, profile, named, piped, batch_size, precision, files, emulated, photos, records, device, backend, **effort):  # noqa: PLR0913 - options
    """What is to be measured and emulated."""
    from bench.input.stall import accelerators, campaign, cells
    from bench.run import data_source as sources

    source = sources.find(photos=photos, records=records)
    size = source.manifest().image_size if source.records else 0
    place = {"device": options.device(device, backend), "backend": backend, "xla": backend == "jax"}
    named, piped = split(named), split(piped)
    fed = cells.cells(profile, named, piped, image_size=size, batch_size=batch_size, precision=precision, **place)
    others = cells.beside(profile) if not (named or piped) else []
    eaters = accelerators.chosen(files, named, tell=options.tell)
    emulations = [(one, name) for one in eaters for name in piped or cells.feeding(one.image_size, size)]
    return campaign.plan([] if emulated else fed, others, emulations, source, **effort)


@click.command()
@click.option("--of", "kind", type=click.Choice([*STAGES, "both"]), default="both", show_default=True)
@click.option("--timeout", type=options.TIME, default="10m", show_default=True, help="Limit for the process.")
@options.DATA
@options.RESULTS
@options.JSON
def stages(*, kind, timeout, photos, records, results, json) -> None:
    """Measures what each stage of feeding costs: read, parse, decode, resize, scale, augment, batch.

    CPU seconds an image by prefixes of a pipeline that end one stage later each; reading with the page cache cold and
    warm; and what tf.data's AUTOTUNE chose. `stall` computes other image sizes from it.

    Example: python -m bench stages --of records
    """
    from rich import console

    from bench.input.stall import stage_table, tables
    from bench.input.stall import stages as measuring
    from bench.results import store, table
    from bench.run import data_source as sources
    from flowers_core import progress

    kinds = [*STAGES] if kind == "both" else [kind]
    source, found, code = sources.find(photos=photos, records=records), [], 0
    measured = measuring.run(kinds, source, seconds=AUTOTUNE_SECONDS, timeout=timeout)
    try:
        for one in progress.track(measured, "stages", len(kinds)):
            store.append(one, results)
            found.append(one)
    except KeyboardInterrupt:
        code = entry.INTERRUPTED
    good = [one for one in found if one.status == "ok"]
    for line in stage_table.absent(found):
        options.tell(line)
    if json:
        for one in found:
            click.echo(json_text.dumps(one.to_json()))
    elif good:
        views, place = stage_table.views(found), table.place_line(good[-1].machine, good[-1].code, good[-1].started)
        command = "python -m bench stages"
        store.save_table("stages.md", tables.markdown(views, "What stages cost", place=place, command=command), results)
        tables.draw(views, console.Console())
        click.echo(place, err=True)
    if not good and not code:
        raise InputError("Nothing could be measured: give `--photos FOLDER` or `--records FOLDER`")
    raise click.exceptions.Exit(code)


COMMANDS = (stall, stages)
