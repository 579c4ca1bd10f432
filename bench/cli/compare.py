"""Words that judge: compare, gate, noise, regressions, doctor. Each parses and calls, nothing else."""

from collections.abc import Sequence
from pathlib import Path

import click

from bench.cli import options
from flowers_core import models
from flowers_core.input.registry import PIPELINES

FAILED, NOTHING = 1, 3
CALIBRATION_PAIRS = 8
MOST_PACKAGES = 8  # that a note on what else differs lists

CHOICE = options.together(
    click.option("--model", "named", multiple=True, metavar="NAME[,NAME]",
                 help=f"May be given again: {', '.join(models.MODELS)}. [a few of each kind]"),
    click.option("--pipeline", "piped", multiple=True, metavar="NAME[,NAME]",
                 help=f"May be given again: {', '.join(PIPELINES)}; alone, or feeding the models."),
    click.option("--batch-size", type=click.IntRange(1), help="Over all replicas. [8 for models, 32 for pipelines]"),
    click.option("--profile", metavar="NAME", help="`quick`, `full`: all cells of it instead."),
    click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE[,VALUE]",
                 help="Only cells with these values; may be given again."),
)  # fmt: skip

SURENESS = options.together(
    click.option("--min-effect", type=options.PERCENT, default="5%", show_default=True,
                 help="The smallest slowdown that matters; half a percent costs hours."),
    click.option("--budget", type=options.TIME, help="Stop in time, e.g. 10m; what is undecided is inconclusive."),
)  # fmt: skip


def _cells(*, named, piped, batch_size, profile, filters, device, backend):
    """The cells that the options mean."""
    from bench.run import matrix

    place = {"device": options.device(device, backend), "backend": backend, "xla": backend == "jax"}
    if profile:
        cells = matrix.profile(profile, device=place["device"], backend=backend)
    elif named or piped:
        cells = matrix.chosen(split(named), split(piped), batch_size=batch_size, **place)
    else:
        cells = matrix.few(**place)
    return matrix.pick(cells, list(filters))


def split(given: Sequence[str]) -> list[str]:
    """Names that were given one by one or joined by commas, each once."""
    return list(dict.fromkeys(name for names in given for name in names.split(",")))


def _matches(cells, base, candidate, axis, source):
    """What is to be compared, and a title for it."""
    from bench.compare import variants
    from bench.run import sweep

    sweep.check(cells, source)
    if axis:
        return variants.of_axis(cells, axis, source), axis.replace("=", ": ").replace(",", " v ")
    return variants.of_revisions(cells, base, candidate, source, tell=options.tell), f"{base} v {candidate}"


def _compared(base, candidate, *, axis, min_effect, budget, photos, records, results, json, **which):  # noqa: PLR0913 - options
    """Runs a comparison and gives its standings, rule and title."""
    from bench.compare import progress, sequential_test
    from bench.run import data_source as sources

    cells, source = _cells(**which), sources.find(photos=photos, records=records)
    found, title = _matches(cells, base, candidate, axis, source)
    clocks = sequential_test.clocks(side.cell for match in found for side in (match.base, match.candidate))
    rule = sequential_test.Rule.for_effect(min_effect, cells=len(found), clocks=clocks)
    standings = progress.run(found, results, rule=rule, title=title, budget_seconds=budget, as_json=json)
    return standings, rule, title


@click.command()
@click.argument("base", required=False)
@click.argument("candidate", required=False)
@click.option(
    "--axis",
    metavar="NAME=BASE,CANDIDATE",
    help="Instead of revisions: precision, pipeline, backend, xla (off,on), device, …, or env:VARIABLE.",
)
@CHOICE
@SURENESS
@click.option("--allow-mismatch", is_flag=True, help="Figures of stored sets that are no fair pair, without a verdict.")
@options.PLACE
@options.DATA
@options.RESULTS
@options.JSON
def compare(*, base, candidate, axis, allow_mismatch, json, **how) -> None:
    """Says whether CANDIDATE is slower than BASE, cell by cell: slower, same, faster or inconclusive.

    Each is a git revision, or WORKTREE for the work as it lies; or both are files or folders of stored measurements.
    Revisions and axes run in pairs of fresh processes that take turns, until the verdict is sure.

    Exit code: 0 nothing slower, 1 something slower, 2 wrong use, 3 nothing could be compared.

    Example: python -m bench compare main HEAD --model squeezenet,dense

    Example: python -m bench compare --axis precision=float32,mixed_bfloat16 --model convnet_gap --batch-size 8

    Example: python -m bench compare laptop.jsonl server.jsonl --allow-mismatch
    """  # fmt: skip
    from bench.compare import progress

    _check_sides(base, candidate, axis)
    context = click.get_current_context()
    if not axis and _are_stored(base, candidate):
        context.exit(
            _stored(base, candidate, allow_mismatch=allow_mismatch, min_effect=how["min_effect"], as_json=json)
        )
    standings, _, _ = _compared(base, candidate, axis=axis, json=json, **how)
    context.exit(progress.exit_code(standings))


def _check_sides(base, candidate, axis) -> None:
    if axis and base:
        raise click.UsageError("Give two revisions or `--axis`, not both.")
    if not axis and not (base and candidate):
        raise click.UsageError(
            "Expected BASE and CANDIDATE, e.g. `HEAD~1 HEAD`, or `--axis NAME=BASE,CANDIDATE`. "
            f"Received: {' '.join(filter(None, (base, candidate))) or 'neither'}."
        )


def _are_stored(*names: str) -> bool:
    """Whether files or folders are meant: a folder may be called like a branch, so all must be there, or say .jsonl."""
    return all(Path(name).exists() for name in names) or any(name.endswith(".jsonl") for name in names)


def _stored(base, candidate, *, allow_mismatch: bool, min_effect: float, as_json: bool) -> int:
    """Compares stored sets and prints the table."""
    from bench.compare import differences, stored, stored_table

    both = [stored.load(Path(path), tell=options.tell) for path in (base, candidate)]
    others = differences.other_packages(*both)
    if others:
        more = f" and {len(others) - MOST_PACKAGES} more" if len(others) > MOST_PACKAGES else ""
        options.tell(f"other packages differ (base, candidate): {'; '.join(others[:MOST_PACKAGES])}{more}")
    rows = stored.compare(*both, min_effect=min_effect, allow_mismatch=allow_mismatch)
    options.show_rows(stored_table.to_json(rows), stored_table.show, rows, json=as_json)
    return stored.exit_code(rows)


@click.command()
@click.argument("base")
@click.argument("candidate", default="HEAD")
@click.option("--threshold", type=options.PERCENT, default="3%", show_default=True, help="Slower by more fails.")
@click.option(
    "--summary",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="GITHUB_STEP_SUMMARY",
    help="Append the verdict as Markdown to this file. [GITHUB_STEP_SUMMARY]",
)
@CHOICE
@SURENESS
@options.PLACE
@options.DATA
@options.RESULTS
@options.JSON
def gate(*, base, candidate, threshold, summary, **how) -> None:
    """Fails where CANDIDATE is slower than BASE: `compare` for continuous integration.

    Exit code: 0 passed, 1 something slower by more than the threshold, 2 wrong use, 3 something is inconclusive,
    which is never a pass.

    Example: python -m bench gate origin/main --model squeezenet --budget 10m
    """  # fmt: skip
    from bench.compare import progress, table

    standings, rule, title = _compared(base, candidate, axis=None, **how)
    words = progress.gate_text(standings, threshold)
    options.tell(words)
    if summary:
        with summary.open("a") as file:
            file.write(f"{words}\n\n{table.markdown(standings, rule, title)}\n")
    click.get_current_context().exit(progress.gate_code(standings, threshold))


@click.command()
@click.option("--pairs", default=CALIBRATION_PAIRS, show_default=True, type=click.IntRange(4), help="Of each cell.")
@CHOICE
@options.PLACE
@options.DATA
@options.RESULTS
@options.JSON
def noise(*, pairs, photos, records, results, json, **which) -> None:
    """Measures this machine's noise: the same code twice, and what slowdown that lets it find in 1, 5, 20 minutes.

    Example: python -m bench noise --model squeezenet
    """
    from bench.compare import calibrate
    from bench.run import data_source as sources
    from bench.run import sweep

    cells, source = _cells(**which), sources.find(photos=photos, records=records)
    sweep.check(cells, source)
    click.get_current_context().exit(calibrate.run(cells, source, results, pairs=pairs, as_json=json))


@click.command()
@click.option("--confirm", is_flag=True, help="Confirm each by paired runs, and bisect to the commit.")
@click.option("--budget", type=options.TIME, help="For each paired run, e.g. 5m.")
@click.option(
    "--format", "shape", type=click.Choice(["terminal", "markdown", "json"]), default="terminal", show_default=True
)
@options.DATA
@options.RESULTS
def regressions(*, confirm, budget, shape, photos, records, results) -> None:
    """Finds steps over the commits that asv measured, confirms them by paired runs, and names the commit.

    Example: python -m bench regressions --confirm
    """  # fmt: skip
    import json as json_text

    from rich import console

    from bench.compare.history import confirm as annals
    from bench.compare.history import table
    from bench.run import data_source as sources

    source = sources.find(photos=photos, records=records)
    found = annals.find(results, source, confirm=confirm, budget_seconds=budget, tell=options.tell)
    if shape == "terminal":
        table.show(found, console.Console())
    else:
        click.echo(table.markdown(found) if shape == "markdown" else json_text.dumps(table.plain(found)))


@click.command()
@click.option("--seconds", type=options.TIME, default="3", show_default=True, help="How long to watch.")
@options.JSON
def doctor(*, seconds, json) -> None:
    """Says what makes this machine noisy, and what to do about it. Exit code 1 if something is bad.

    Example: python -m bench doctor
    """
    from bench.machine import doctor as doctors

    options.tell(f"watching for {seconds:g} s")
    findings = doctors.examine(seconds=seconds)
    options.show_rows(doctors.to_json(findings), doctors.show, findings, json=json)
    click.get_current_context().exit(doctors.exit_code(findings))


COMMANDS = (compare, gate, noise, regressions, doctor)
