"""The command that measures writing records: write."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Data, Output
from bench.input.writing.result import PIPELINE, SHARDS, WriteResult
from flowers_core.data import encodings
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES

if TYPE_CHECKING:
    from bench.input.writing.campaign import Plan

NOTHING = "none"  # that is read
READERS = [name for name, pipeline in PIPELINES.items() if pipeline.reads == "records"]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What is written, how it is read, and how long."""

    shards: tuple[int, ...] | None
    threads: tuple[int, ...] | None
    image_size: int
    encoding: str
    pipeline: str
    folder: Path | None
    rounds: int
    budget: float
    seconds: float
    timeout: float

    def plan(self, data: Data, folder: Path) -> "Plan":
        """What to write and read; of fewer photos than the usual shards those that they fill."""
        from bench.input.writing import campaign

        source = data.source()
        images = len(source.load_photos())
        usual = tuple(count for count in SHARDS if count <= images) or (1,)
        return campaign.Plan(
            source=source,
            folder=folder,
            shards=tuple(dict.fromkeys(self.shards or usual)),
            threads=tuple(dict.fromkeys(self.threads or (0,))),
            image_size=self.image_size,
            encoding=self.encoding,
            pipeline="" if self.pipeline == NOTHING else self.pipeline,
            rounds=self.rounds,
            seconds=self.seconds,
            timeout=self.timeout,
        )


WRITTEN = options.group(
    "written",
    Written,
    click.option("--shards", type=options.Several(click.IntRange(1)), metavar="N[,N]",
                 help=f"Numbers of files. [{','.join(map(str, SHARDS))}]"),
    click.option("--threads", type=options.Several(click.IntRange(1, 1024)), metavar="N[,N]",
                 help="Photos worked on at once. [two a core, as `records` does]"),
    click.option("--image-size", default=192, show_default=True, type=click.IntRange(1), metavar="PX"),
    click.option("--format", "encoding", type=options.Choice(encodings.ENCODINGS), default=encodings.JPEG,
                 show_default=True, help="How records hold their images."),
    click.option("--pipeline", type=options.Choice([*READERS, NOTHING]), default=PIPELINE, metavar="NAME",
                 show_default=True, help=f"What reads them: {', '.join(READERS)}; or `{NOTHING}`."),
    click.option("--folder", type=click.Path(path_type=Path, file_okay=False, exists=True),
                 help="On the disk that is to be measured. [the store]"),
    options.ROUNDS,
    options.BUDGET,
    options.SECONDS,
    options.TIMEOUT,
)  # fmt: skip


@click.command()
@WRITTEN
@options.SHOW_LAST
@options.DATA
@options.OUTPUT
def write(written: Written, show_last: bool, data: Data, output: Output) -> None:
    """Measure writing records, and reading them again.

    Photos become TFRecords as by `python -m flowers_core records`, in fresh processes: images/s and MB/s until every
    file is on the disk, and what of it is fsync, by number of shards and of threads; then the images/s of a pipeline
    that reads them.

    Exit code: 0 done, 1 a process failed, 2 wrong use, 130 interrupted: what ended is kept.

    Example: python -m bench write --shards 1,4,16,64 --threads 1,2,4
    """
    from bench.input.writing import campaign, table
    from bench.results import store
    from bench.results.result import of_last_campaign

    code = 0
    if show_last:
        results = of_last_campaign(store.load(WriteResult, output.results).results)
        if not results:
            raise InputError(f"{output.results} holds no writing of records. Leave out --show-last to measure")
    else:
        output.check_writable()
        with tempfile.TemporaryDirectory(dir=written.folder or output.results, prefix=".records-") as folder:
            plan = written.plan(data, Path(folder))
            planned = campaign.planned(plan, output.results, budget_seconds=written.budget)
            results, code = options.collect(campaign.run(plan), planned, keep=output.results)
    if results:
        store.save_table("writing.md", table.markdown(results, store.option(output.results)), output.results)
        output.show((result.to_json() for result in results), table.tables(results))
    options.leave(code or int(any(result.status != "ok" for result in results)))


COMMANDS = (write,)
