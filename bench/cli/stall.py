"""Commands on the input pipeline as a limit: stall, stages."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Data, InputOptions, Output, Place
from bench.input.stall.stages import STAGES
from bench.run.durations import Planned
from flowers_core import models
from flowers_core.backends.precision import PRECISIONS
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES

if TYPE_CHECKING:
    from bench.input.stall.campaign import Campaign

AUTOTUNE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Fed(InputOptions):
    """Models and accelerators that pipelines feed, what is chosen of pipelines, and how each is measured."""

    profile: str
    model: tuple[str, ...]
    pipeline: tuple[str, ...]
    batch_size: int | None
    precision: str
    step_times: tuple[Path, ...]
    emulated: bool
    rounds: int
    seconds: float
    timeout: float

    def plan(self, data: Data, place: Place) -> "Campaign":
        """What is to be measured and emulated."""
        from bench.input.stall import accelerators, campaign, cells

        if self.emulated and self.chosen:
            raise InputError(
                f"Emulated accelerators are fed by pipelines as they are. Received: `--emulated` and {self.options}. "
                "Leave out either"
            )
        source = data.source()
        size = source.manifest().image_size if source.records else 0
        step = {"precision": self.precision, **place.step_fields()}
        fed = cells.select(self.profile, self.model, self.pipeline, image_size=size, batch_size=self.batch_size, **step)
        alone = cells.pipelines_alone(self.profile) if not (self.model or self.pipeline) else []
        emulations = [
            (workload, name)
            for workload in accelerators.select(self.step_times, self.model)
            for name in self.pipeline or cells.emulation_pipelines(workload.image_size, size)
        ]
        return campaign.plan(
            [] if self.emulated else self.vary(fed, strict=False),
            alone,
            emulations,
            source,
            rounds=self.rounds,
            seconds=self.seconds,
            timeout=self.timeout,
        )


FED = options.group(
    "fed",
    Fed,
    click.option("--profile", default="quick", show_default=True, metavar="NAME",
                 help="`quick`: every model once, minutes. `full`: some of each kind by every pipeline as well."),
    options.list_option("--model", kind=options.Named("model", list(models.MODELS)), metavar="NAME[,NAME]",
                   help=f"{', '.join(models.MODELS)}, keras.applications:NAME, or your own path/to/file.py:function. "
                   "[those of the profile]"),
    options.list_option("--pipeline", kind=options.Named("pipeline", list(PIPELINES)), metavar="NAME[,NAME]",
                   help=f"{', '.join(PIPELINES)}, or your own."),
    *options.INPUT,
    click.option("--batch-size", type=click.IntRange(1), help="Over all replicas. [8, heavy models 1]"),
    click.option("--precision", type=options.Choice(PRECISIONS), default="float32", show_default=True),
    click.option("--step-times", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
                 metavar="FILE", help="Measurements of another machine, whose steps are emulated; repeatable."),
    click.option("--emulated", is_flag=True, help="Only emulate accelerators: no model is measured here."),
    click.option("--rounds", default=1, show_default=True, type=click.IntRange(1),
                 help="Of three fresh processes a cell."),
    click.option("--seconds", type=options.TIME, default="2", show_default=True, help="How long each is timed."),
    options.TIMEOUT,
)  # fmt: skip


@click.command()
@FED
@click.option("--show-last", is_flag=True, help="Measure nothing: show what is stored of this machine and code.")
@options.DATA
@options.PLACE
@options.OUTPUT
def stall(fed: Fed, show_last: bool, data: Data, place: Place, output: Output) -> None:
    """Measure whether the input pipeline holds models up.

    Each is measured three times: pipeline alone, step alone, both together. Then the demand of each model and of each
    emulated accelerator is set against what this host supplies, with what would help.

    Exit code: 0 done, 1 a cell failed, 2 wrong use, 3 nothing measured, 130 interrupted: what has ended is kept.

    Example: python -m bench stall --profile quick

    Example: python -m bench stall --model dense --pipeline photos_one_by_one,records_parallel --rounds 3
    """
    from bench.input.stall import campaign

    if show_last:
        code, known = 0, campaign.load_last(output.results)
    else:
        planned = fed.plan(data, place)
        output.check_writable()
        code, known = campaign.run(planned, output.results, tell=options.tell)
    if output.json:
        for row in known.plain():
            click.echo(options.json_line(row))
    else:
        campaign.show(known, output.results)
    options.leave(code)


@click.command()
@click.option("--of", "kind", type=options.Choice([*STAGES, "both"]), default="both", show_default=True)
@options.TIMEOUT
@options.DATA
@options.OUTPUT
def stages(kind: str, timeout: float, data: Data, output: Output) -> None:
    """Measure what each stage of an input pipeline costs.

    Read, parse, decode, resize, scale, augment, batch: CPU seconds an image, by prefixes of a pipeline that end one
    stage later each; reading with the page cache cold and warm; and what tf.data's AUTOTUNE chose. `stall` computes
    other image sizes from it.

    Example: python -m bench stages --of records
    """
    from rich import console

    from bench.input.stall import stage_table
    from bench.input.stall import stages as measuring
    from bench.input.stall import tables as stall_tables
    from bench.results import store
    from bench.results.result import folders

    kinds = [*STAGES] if kind == "both" else [kind]
    output.check_writable()
    running = measuring.run(kinds, data.source(), seconds=AUTOTUNE_SECONDS, timeout=timeout)
    planned = Planned(what="series of stages", rounds=[0] * len(kinds))
    measured, code = options.collect(running, planned, keep=output.results)
    good = [stage for stage in measured if stage.status == "ok"]
    for line in stage_table.absent(measured):
        options.tell(line)
    if output.json:
        for stage in measured:
            click.echo(options.json_line(stage.to_json()))
    elif good:
        shown, origin, terminal = stage_table.tables(measured), good[-1].origin, console.Console()
        read = folders(*(stage.data for stage in good))
        again = f"python -m bench stages{f' --of {kind}' * (kind != 'both')}{read}{store.option(output.results)}"
        text = stall_tables.markdown(shown, "What stages cost", origin=origin, command=again)
        store.save_table("stages.md", text, output.results)
        for table in shown:
            table.draw(terminal)
        options.tell(origin)
    if not good and not code:
        raise InputError("Nothing could be measured: give `--photos FOLDER` or `--records FOLDER`")
    options.leave(code)


COMMANDS = (stall, stages)
