"""Commands that compare: compare, gate, regressions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Data, InputOptions, Output, Place
from bench.results.cell import Cell
from flowers_core import models, user_code
from flowers_core.input.registry import PIPELINES

if TYPE_CHECKING:
    from bench.compare.comparison import PairRuns, Trial
    from bench.compare.sequential_test import Rule
    from bench.compare.variant import Command, VariantPair

MOST_PACKAGES = 8  # that a note on what else differs lists


@dataclass(frozen=True, kw_only=True)
class Choice(InputOptions):
    """Which cells are compared, and what is chosen of their pipelines."""

    model: tuple[str, ...]
    pipeline: tuple[str, ...]
    batch_size: int | None
    profile: str | None
    filters: tuple[str, ...]

    def cells(self, place: Place) -> list[Cell]:
        """The cells that the options mean; a few of each kind where they name none."""
        from bench.run import matrix

        if self.profile:
            cells = matrix.profile(self.profile, **place.fields())
        elif self.model or self.pipeline:
            cells = matrix.select(self.model, self.pipeline, batch_size=self.batch_size, **place.step_fields())
        else:
            cells = matrix.of_each_kind(**place.step_fields())
        return matrix.filter_cells(self.vary(cells), list(self.filters))


CHOICE = options.group(
    "choice",
    Choice,
    options.list_option("--model", kind=options.Named("model", list(models.MODELS)), metavar="NAME[,NAME]",
                   help=f"{', '.join(models.MODELS)}, keras.applications:NAME, torch:NAME, your own "
                   "path/to/file.py:function. [a few of each kind]"),
    options.list_option("--pipeline", kind=options.Named("pipeline", list(PIPELINES)), metavar="NAME[,NAME]",
                   help=f"{', '.join(PIPELINES)}, or your own. Alone, or feeding the models."),
    click.option("--batch-size", type=click.IntRange(1), help="Over all replicas. [8 for models, 32 for pipelines]"),
    click.option("--profile", metavar="NAME", help="`quick`, `full`: all cells of it instead."),
    options.FILTERS,
    *options.INPUT,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """How sure a verdict has to be, and how long it may take."""

    min_effect: float
    budget: float | None


CERTAINTY = options.group(
    "certainty",
    Certainty,
    click.option("--min-effect", type=options.PERCENT, default="5%", show_default=True,
                 help="The smallest slowdown that matters; half a percent costs hours, minutes where instructions "
                 "are counted."),
    click.option("--budget", type=options.TIME, help="Stop in time, e.g. 10m; what is undecided is inconclusive."),
)  # fmt: skip


def _locate_axis(_: click.Context, __: click.Parameter, axis: str | None) -> str | None:
    """An axis whose values that are files have become names: `model=a/net.py:build,b/net.py:build`."""
    name, equals, values = (axis or "").partition("=")
    if name not in ("model", "pipeline"):
        return axis
    located = [options.locate(value, name) if user_code.is_option(value) else value for value in values.split(",")]
    return f"{name}{equals}{','.join(located)}"


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Two commands, how each run is prepared, and the figure that they print."""

    command: tuple[str, ...]
    prepare: str
    metric: str | None
    higher_is_better: bool

    def both(self) -> "tuple[Command, Command]":
        """Base and candidate.

        Raises:
            click.UsageError: If there are not two.
        """
        from bench.compare.variant import Command, Metric

        if len(self.command) != 2:
            raise click.UsageError(f"Give `--command` twice, base and candidate. Received: {len(self.command)}.")
        metric = Metric(name=self.metric, higher_is_better=self.higher_is_better) if self.metric else None
        base, candidate = (Command(line=line, prepare=self.prepare, metric=metric) for line in self.command)
        return base, candidate

    def check(self, others: Sequence[object]) -> None:
        """Refuses options that need commands where there are none, and those that commands exclude.

        Args:
            others: What else the user gave.

        Raises:
            click.UsageError: If commands are given with other things to compare, or options of commands without any.
        """
        if self.command and any(others):
            raise click.UsageError(
                "Give two commands, or what the harness measures (BASE CANDIDATE, `--axis`, `--model`, `--pipeline`, "
                "`--profile`), not both."
            )
        if not self.command and (self.prepare or self.metric or self.higher_is_better):
            raise click.UsageError("`--prepare`, `--metric` and `--higher-is-better` belong to `--command`.")
        if self.higher_is_better and not self.metric:
            raise click.UsageError("`--higher-is-better` belongs to `--metric`: of times less is better.")


COMMANDS_COMPARED = options.group(
    "commands",
    Commands,
    click.option("--command", multiple=True, metavar="TEXT",
                 help="Given twice, instead of revisions: any two commands, each run from start to end."),
    click.option("--prepare", default="", metavar="TEXT", help="A command to run, untimed, before each timed one."),
    click.option("--metric", metavar="NAME",
                 help="Compare a figure that the commands print, `{\"NAME\": 1.5}` on a line, not their times."),
    click.option("--higher-is-better", is_flag=True, help="Of that figure, as of images a second."),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What is compared: two revisions, two values of an axis, or two stored sets."""

    base: str | None
    candidate: str | None
    axis: str | None = None

    def check(self) -> None:
        """Refuses what does not name two variants.

        Raises:
            click.UsageError: If both kinds are given, or only one of two.
        """
        if self.axis and self.base:
            raise click.UsageError(
                f"Give two revisions or `--axis`, not both. Received: {self.base} and --axis {self.axis}."
            )
        if not self.axis and not (self.base and self.candidate):
            raise click.UsageError(
                "Expected BASE and CANDIDATE, e.g. `HEAD~1 HEAD`, or `--axis NAME=BASE,CANDIDATE`. "
                f"Received: {' '.join(filter(None, (self.base, self.candidate))) or 'neither'}."
            )

    def stored_paths(self) -> tuple[Path, ...]:
        """The paths of stored sets, if those are meant: a folder may have a branch's name, so both must be there."""
        names = [name for name in (self.base, self.candidate) if name]
        if self.axis or not (all(Path(name).exists() for name in names) or any(n.endswith(".jsonl") for n in names)):
            return ()
        return tuple(map(Path, names))

    def title(self, variants: "VariantPair") -> str:
        """A title for the comparison of which these are the first variants."""
        from bench.compare import comparison

        return self.axis.replace("=", ": ").replace(",", " v ") if self.axis else comparison.title(variants)


def _run(
    compared: Compared, cells: Sequence[Cell], certainty: Certainty, data: Data, output: Output
) -> tuple[list["Trial"], "Rule"]:
    """Runs a comparison in live pairs."""
    from bench.compare import acknowledged, revision, variants
    from bench.compare.comparison import PairRuns
    from bench.run import sweep

    for name in (compared.base, compared.candidate) if not compared.axis else ():
        revision.resolve(name or "")  # a misspelt one is said before anything else
    source, accepted = data.source(), acknowledged.load()
    sweep.check(cells, source, tell=options.tell)
    output.check_writable()
    if compared.axis:
        pairs, rebuild = variants.of_axis(cells, compared.axis, source), _keep
    else:
        rebuild = partial(variants.rebuild, tell=options.tell)
        pairs = variants.of_revisions(cells, compared.base or "", compared.candidate or "", source, tell=options.tell)
    runs = PairRuns(control=True, rebuild=rebuild, command=options.command_line(), acknowledged=accepted)
    return _run_pairs(pairs, compared.title(pairs[0]), certainty, output, runs)


def _keep(variants: "VariantPair") -> "VariantPair":
    """What is not built is confirmed by fresh pairs alone."""
    return variants


def _run_pairs(
    pairs: Sequence["VariantPair"], title: str, certainty: Certainty, output: Output, runs: "PairRuns"
) -> tuple[list["Trial"], "Rule"]:
    """Runs pairs by the one rule, and says where verdicts over the store lean to a side."""
    from bench.compare import alarms, progress
    from bench.compare.sequential_test import Rule
    from bench.compare.variant import shared_clocks

    rule = Rule.for_effect(certainty.min_effect, cells=len(pairs), clocks=shared_clocks(pairs))
    trials = progress.run(
        pairs,
        output.results,
        rule=rule,
        title=title,
        budget_seconds=certainty.budget,
        as_json=output.json,
        runs=runs,
    )
    for sentence in alarms.said_by(output.results):
        options.tell(sentence)
    return trials, rule


MARKDOWN = click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report for a reviewer to this file: verdict, table, picture, machine, how sure, how to repeat it.",
)


def _write_report(path: Path | None, output: Output) -> None:
    """Writes the last comparison of the store as Markdown, if a file is given."""
    if path is None:
        return
    from bench.compare import comparison_report

    path.write_text(comparison_report.latest(output.results), encoding="utf-8")
    options.tell(f"report: {path}")


@click.command()
@options.group(
    "compared",
    Compared,
    click.argument("base", required=False),
    click.argument("candidate", required=False),
    click.option("--axis", metavar="NAME=BASE,CANDIDATE", callback=_locate_axis,
                 help="Instead of revisions: precision, pipeline, backend, xla (off,on), device, prefetch (0,4), "
                 "augment (off,on), steps-per-execution (1,8), …, env:VARIABLE."),
)  # fmt: skip
@COMMANDS_COMPARED
@CHOICE
@CERTAINTY
@click.option("--allow-mismatch", is_flag=True, help="Figures of stored sets that are no fair pair, without a verdict.")
@click.option("--explain", is_flag=True, help="Then trace what differs, and say which stage and layer it lies in.")
@MARKDOWN
@options.PLACE
@options.DATA
@options.OUTPUT
def compare(  # noqa: PLR0913 - its options
    compared: Compared,
    commands: Commands,
    choice: Choice,
    certainty: Certainty,
    allow_mismatch: bool,
    explain: bool,
    markdown: Path | None,
    place: Place,
    data: Data,
    output: Output,
) -> None:
    """Decide for each cell whether CANDIDATE is slower.

    BASE and CANDIDATE are git revisions, or WORKTREE for the working tree; or both are files or folders of stored
    measurements. Revisions, axes and commands run in pairs of fresh processes that take turns, until the verdict is
    sure: slower, same, faster or inconclusive.

    What bench/acknowledged.toml accepts is marked and counts as known; budgets there are checked on the candidate.

    Exit code: 0 nothing slower, 1 something slower or over a budget, 2 wrong use, 3 nothing could be compared.

    Example: python -m bench compare main HEAD --model squeezenet,dense

    Example: python -m bench compare --axis precision=float32,mixed_bfloat16 --model convnet_gap --batch-size 8

    Example: python -m bench compare --axis parallel-calls=1,4 --pipeline records_parallel

    Example: python -m bench compare laptop.jsonl server.jsonl --allow-mismatch

    Example: python -m bench compare --command "python old.py" --command "python new.py" --metric images_per_s
    --higher-is-better
    """
    from bench.compare import progress

    others = [compared.base, compared.axis, choice.model, choice.pipeline, choice.profile, choice.chosen]
    others += [allow_mismatch, explain]
    commands.check(others)
    if compared.stored_paths() and (explain or markdown):
        raise click.UsageError(
            "`--explain` and `--markdown` belong to comparisons that run: give two revisions or `--axis`. A report of "
            "stored sets is written by `report BASE CANDIDATE`."
        )
    if commands.command:
        trials = _compare_commands(commands.both(), certainty, output)
        _write_report(markdown, output)
        options.leave(progress.exit_code(trials))
    compared.check()
    if compared.stored_paths():
        _compare_stored(compared.stored_paths(), certainty.min_effect, output, allow_mismatch=allow_mismatch)
    trials, _ = _run(compared, choice.cells(place), certainty, data, output)
    _write_report(markdown, output)
    if explain:
        differing = [trial for trial in trials if trial.final.word in ("slower", "faster")]
        _explain(differing, output)
        _write_report(markdown if differing else None, output)
    options.leave(progress.exit_code(trials))


def _explain(differing: Sequence["Trial"], output: Output) -> None:
    """Says of each cell that differs what it lies in, and keeps that with the comparison."""
    from bench.compare import explain
    from bench.results import store

    if not differing:
        options.tell("nothing is slower or faster: there is nothing to explain")
    explanations = explain.explain([trial.variants for trial in differing], output.results, tell=options.tell)
    for trial, explanation in zip(differing, explanations, strict=True):
        store.append(explanation.result(trial.pairs), output.results)
        output.show([explanation.plain()], [explanation.table()])


def _compare_commands(commands: "tuple[Command, Command]", certainty: Certainty, output: Output) -> list["Trial"]:
    """Compares two commands, after a run of each that shows what they can do."""
    from bench.compare import command_pair
    from bench.compare.comparison import PairRuns
    from bench.compare.variant import VariantPair

    options.tell("one untimed run of each")
    recorder = command_pair.Recorder(*commands)
    title = " v ".join(command.name for command in commands)
    # What was typed is not kept: words of others' commands may hold credentials.
    runs = PairRuns(record=recorder.record, control=True, rebuild=_keep)
    trials, _ = _run_pairs([VariantPair(*commands)], title, certainty, output, runs)
    return trials


def _compare_stored(paths: Sequence[Path], min_effect: float, output: Output, *, allow_mismatch: bool) -> None:
    """Compares stored sets, prints the table and ends the command."""
    from bench.compare import differences, stored, stored_table

    base, candidate = (stored.load(path) for path in paths)
    rows = stored.compare(base, candidate, min_effect=min_effect, allow_mismatch=allow_mismatch)
    packages = differences.other_packages(base, candidate)
    if packages:
        more = f" and {len(packages) - MOST_PACKAGES} more" if len(packages) > MOST_PACKAGES else ""
        options.tell(f"other packages differ (base, candidate): {'; '.join(packages[:MOST_PACKAGES])}{more}")
    output.show(stored_table.to_json(rows), stored_table.tables(rows))
    options.leave(stored.exit_code(rows))


@click.command()
@options.group("compared", Compared, click.argument("base"), click.argument("candidate", default="HEAD"))
@click.option("--threshold", type=options.PERCENT, default="3%", show_default=True, help="Slower by more fails.")
@click.option(
    "--summary",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="GITHUB_STEP_SUMMARY",
    help="Append the verdict and the report for a reviewer to this file, as Markdown. [GITHUB_STEP_SUMMARY]",
)
@MARKDOWN
@CHOICE
@CERTAINTY
@options.PLACE
@options.DATA
@options.OUTPUT
def gate(  # noqa: PLR0913 - its options
    compared: Compared,
    threshold: float,
    summary: Path | None,
    markdown: Path | None,
    choice: Choice,
    certainty: Certainty,
    place: Place,
    data: Data,
    output: Output,
) -> None:
    """Fail if CANDIDATE is slower: `compare` for CI.

    bench/acknowledged.toml names slowdowns that are accepted, and absolute budgets of the candidate.

    Exit code: 0 passed, 1 something slower by more than the threshold or over a budget, 2 wrong use, 3 something is
    inconclusive or unproven, which is never a pass.

    Example: python -m bench gate origin/main --model squeezenet --budget 10m
    """
    from bench.compare import comparison_report, progress

    trials, _ = _run(compared, choice.cells(place), certainty, data, output)
    text = progress.gate_text(trials, threshold)
    options.tell(text)
    if summary:
        from bench.results.table import markdown_text

        with summary.open("a", encoding="utf-8") as file:
            file.write(f"{markdown_text(text)}\n\n{comparison_report.latest(output.results)}\n")
    _write_report(markdown, output)
    options.leave(progress.gate_code(trials, threshold))


@click.command()
@click.option("--confirm", is_flag=True, help="Confirm each by paired runs, and bisect to the commit.")
@click.option("--budget", type=options.TIME, help="For each paired run, e.g. 5m.")
@click.option(
    "--format", "shape", type=options.Choice(["terminal", "markdown", "json"]), default="terminal", show_default=True
)
@options.DATA
@options.RESULTS
def regressions(confirm: bool, budget: float | None, shape: str, data: Data, results: Path) -> None:
    """Find the commits at which the series of asv step.

    With --confirm, paired runs confirm each and name the commit.

    Example: python -m bench regressions --confirm
    """
    from bench.compare.history import confirm as confirmation
    from bench.compare.history import table

    if confirm:
        from bench.results import store

        store.check_writable(results)
    history = confirmation.find(results, data.source(), confirm=confirm, budget_seconds=budget, tell=options.tell)
    if shape == "terminal":
        options.show((), (drawing.draw for drawing in [*table.tables(history), table.answer(history)]), json=False)
    else:
        click.echo(table.markdown(history) if shape == "markdown" else options.json_line(table.plain(history)))


COMMANDS = (compare, gate, regressions)
