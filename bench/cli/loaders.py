"""The command that compares loaders: loaders."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from bench.cli import options
from bench.cli.options import Data, Output
from flowers_core import progress
from flowers_core.cli import entry
from flowers_core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Which loaders are compared, and how long."""

    job: tuple[str, ...]
    only: tuple[str, ...]
    rounds: int
    processes: int
    seconds: float
    batch_size: int
    python: str
    decode_workers: tuple[int, ...] | None
    budget: float

    def interpreter(self) -> str:
        """The interpreter of other libraries' loaders; empty for this one.

        Raises:
            InputError: If it cannot be run.
        """
        path = shutil.which(self.python) if self.python else ""
        if path is None:
            raise InputError(f"`--python` must be an interpreter. Received: {self.python!r}, which cannot be run")
        return str(Path(path).absolute()) if path else ""

    def run(self, data: Data, results: Path) -> None:
        """Compares them and stores what each did."""
        from bench.input.loaders import registry, run
        from bench.results import store
        from bench.run.durations import Budget

        python, source = self.interpreter(), data.source()
        loaders = registry.select(self.job, self.only, scaled=bool(source.decode), workers=bool(self.decode_workers))
        source.load_photos()
        source.check_jpegs("a comparison of loaders, each of which decodes the same bytes")
        effort = run.Effort(
            rounds=self.rounds,
            seconds=self.seconds,
            batch_size=self.batch_size,
            processes=self.processes,
            workers=tuple(dict.fromkeys(self.decode_workers or ())),
        )
        options.tell(effort.forecast(len(loaders), budget_seconds=self.budget))
        planned = effort.planned(self.budget)
        budget = Budget(planned)
        with progress.bar("blocks", effort.steps(len(loaders))) as advance:
            run.run(
                loaders,
                source,
                effort,
                keep=lambda result: store.append(result, results),
                advance=advance,
                has_time=budget.has_time,
                python=python,
            )
        options.tell_left_out(planned, budget)


COMPARED = options.group(
    "compared",
    Compared,
    options.list_option("--job", kind=options.Choice(["photos", "records"]), help="One of the two alone."),
    options.list_option("--only", metavar="TEXT[,TEXT]",
                   help="Only loaders with one of these in their name, beside the ceilings."),
    click.option("--rounds", default=9, show_default=True, type=click.IntRange(1), help="Blocks of each loader."),
    click.option("--processes", default=3, show_default=True, type=click.IntRange(1),
                 help="Processes of each loader, which share its blocks."),
    click.option("--seconds", type=options.TIME, default="1", show_default=True, help="How long a block is."),
    click.option("--budget", type=options.TIME, default="10m", show_default=True,
                 help="How long it may take, in whole processes of each; one of each is run in any case."),
    click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Images a batch."),
    click.option("--decode-workers", type=options.Several(click.IntRange(1, 1024)), metavar="N[,N]",
                 help="Processes or threads that decode, for a curve. [one a core]"),
    click.option("--python", default="", metavar="PATH",
                 help="Interpreter that has the other libraries' packages. [this one]"),
)  # fmt: skip


@click.command()
@COMPARED
@options.SHOW_LAST
@options.DATA
@options.OUTPUT
def loaders(compared: Compared, show_last: bool, data: Data, output: Output) -> None:
    """Compare our pipelines with other loaders, first epoch.

    And with the decode ceiling of this machine. Each loader runs in fresh processes, in interleaved blocks on the same
    bytes and cores, while all others are held still. With --decode scaled or smallest those that can decode large
    photos smaller do so in rows of their own, ours in both ways, beside their full decode.

    Exit code: 0 done, 1 a loader failed (a missing package is n/a), 2 wrong use, 130 interrupted: what ran is kept.

    Example: python -m bench loaders --python ../loaders/bin/python
    """
    code = 0
    if not show_last:
        output.check_writable()
        try:
            compared.run(data, output.results)
        except KeyboardInterrupt:
            code = entry.INTERRUPTED
            options.tell(f"interrupted: what ran is kept; {entry.how_to_go_on(sys.argv)}")
    options.leave(code or _show(output))


def _show(output: Output) -> int:
    """Prints and keeps the last comparison of a store; gives the exit code."""
    from bench.input.loaders import table
    from bench.input.loaders.run import LoaderResult
    from bench.results import store

    rows = table.rows(store.load(LoaderResult, output.results).results)
    if not rows:
        raise InputError(f"{output.results} holds no comparison of loaders. Leave out --show-last to run one")
    store.save_table("loaders.md", table.markdown(rows, store.option(output.results)), output.results)
    output.show(map(table.plain, rows), table.tables(rows))
    return int(any(row.result.status == "error" for row in rows))


COMMANDS = (loaders,)
