"""The command that compares formats of records: formats."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Data, Output
from bench.machine.own import resources
from bench.run import process
from flowers_core.data import encodings
from flowers_core.errors import InputError

if TYPE_CHECKING:
    from bench.input.formats.campaign import Plan
    from bench.input.formats.table import Machine


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Which formats are compared, how long, and for which machine."""

    only: tuple[str, ...] | None
    keep: Path | None
    image_size: int
    batch_size: int
    rounds: int
    budget: float
    seconds: float
    cores: float | None
    disk: float | None

    def machine(self) -> "Machine":
        """The machine that is asked about: this one's cores and measured disk unless given."""
        from bench.input.formats.table import Machine

        return Machine(cores=self.cores or resources.usable_cores(), bytes_per_second=self.disk)

    def plan(self, data: Data, folder: Path) -> "Plan":
        """What to write and read."""
        from bench.input.formats import campaign

        return campaign.Plan(
            source=data.source(),
            folder=self.keep or folder,
            image_size=self.image_size,
            formats=tuple(dict.fromkeys(self.only or encodings.ENCODINGS)),
            batch_size=self.batch_size,
            rounds=self.rounds,
            seconds=self.seconds,
        )


COMPARED = options.group(
    "compared",
    Compared,
    click.option("--only", type=options.Several(options.Choice(encodings.ENCODINGS)), metavar="NAME[,NAME]",
                 help=f"Of {', '.join(encodings.ENCODINGS)}. [all]"),
    click.option("--keep", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
                 help="Keep the records here, and read those that are here. [removed at the end]"),
    click.option("--image-size", default=192, show_default=True, type=click.IntRange(1), metavar="PX"),
    click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Images a batch."),
    options.ROUNDS,
    options.BUDGET,
    options.SECONDS,
    click.option("--cores", type=click.FloatRange(0, min_open=True), help="Cores to recommend for. [this machine's]"),
    click.option("--disk", type=options.BANDWIDTH, help="Speed of the disk to recommend for. [measured here]"),
)  # fmt: skip


@click.command()
@COMPARED
@options.SHOW_LAST
@options.DATA
@options.OUTPUT
def formats(compared: Compared, show_last: bool, data: Data, output: Output) -> None:
    """Compare formats of records: images/s, bytes and PSNR.

    JPEGs with whole or halved colours, planes as video has them, and raw pixels, written from the same photos and read
    in turns by fresh processes. The format of the fewest bytes is recommended that feeds nearly the most images/s on so
    many cores from such a disk.

    Exit code: 0 done, 1 a format could not be measured, 2 wrong use, 130 interrupted: what ended is kept.

    Example: python -m bench formats --disk 200MB --cores 8
    """
    code = 0
    if not show_last:
        from bench.input.formats import campaign

        output.check_writable()
        with process.scratch() as folder:
            plan = compared.plan(data, folder)
            planned = campaign.planned(plan, output.results, budget_seconds=compared.budget)
            _, code = options.collect(campaign.run(plan, output.results), planned)
    options.leave(code or _show(compared, output))


def _show(compared: Compared, output: Output) -> int:
    """Prints and keeps the last comparison of a store; gives the exit code."""
    from bench.input.formats import table
    from bench.input.formats.campaign import FormatResult
    from bench.results import store
    from bench.results.result import of_last_campaign

    results = of_last_campaign(store.load(FormatResult, output.results).results)
    if not results:
        raise InputError(f"{output.results} holds no comparison of formats. Leave out --show-last to run one")
    machine = compared.machine()
    text = table.markdown(results, machine=machine, into=store.option(output.results))
    store.save_table("formats.md", text, output.results)
    output.show(map(table.plain, table.rows(results)), table.tables(results, machine=machine))
    return int(any(result.status != "ok" for result in results))


COMMANDS = (formats,)
