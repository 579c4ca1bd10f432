"""The command that compares our models with the same models in plain torch.nn: peers."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Output, Place
from bench.results.result import DONE, NOTHING_MEASURED, new_mark
from bench.run import durations
from flowers_core import backends, models, progress
from flowers_core.cli import entry
from flowers_core.errors import InputError, one_of
from flowers_core.train import tuned

if TYPE_CHECKING:
    from bench.compare.peers import PeerComparison


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which models are compared, how long, and in which ways."""

    model: tuple[str, ...]
    budget: float
    batch_size: int | None
    pairs: int
    all_ways: bool
    resume: bool
    show_last: bool

    def comparisons(self, place: Place, results: Path) -> "list[PeerComparison]":
        """A comparison a model, without any pair.

        Raises:
            InputError: If a model is none of ours, or torch is not installed.
        """
        from bench.compare import peers

        names = self.model or tuple(models.MODELS)
        for name in names:
            one_of("model", name, models.MODELS)
        backends.check_installed(peers.PEERS_BACKEND)
        plan = peers.Plan(
            device=place.best_device(),
            backend=place.backend,
            batch_size=self.batch_size,
            pairs=self.pairs,
            all_ways=self.all_ways,
            settings=results / tuned.NAME,
        )
        return [plan.comparison(name, tell=options.tell) for name in names]


WANTED = options.group(
    "wanted",
    Wanted,
    options.list_option("--model", kind=options.Named("model", list(models.MODELS)), metavar="NAME[,NAME]",
                   help="Of ours, e.g. squeezenet,dense. [all]"),
    click.option("--budget", type=options.TIME, default="30m", show_default=True, help="How long it may take."),
    click.option("--batch-size", type=click.IntRange(1), metavar="N", help="Of both. [16; 4 of models that take long]"),
    click.option("--pairs", type=click.IntRange(2), default=3, show_default=True,
                 help="Of the fastest way of ours and of the peer's, when all have been tried."),
    click.option("--all-ways", is_flag=True,
                 help="Try all backends, precisions and compilers of ours, not the four likeliest."),
    click.option("--resume", is_flag=True, help="Go on with the last run: its pairs count."),
    options.SHOW_LAST,
)  # fmt: skip


@click.command()
@WANTED
@options.PLACE
@options.OUTPUT
def peers(wanted: Wanted, place: Place, output: Output) -> None:
    """Compare our steps with the same models in plain torch.

    Ours: what `tune` has found, else what the recipe says, and the three likeliest ways beside it. Theirs: torch.nn,
    channels last, eager and by torch.compile, in float32 and bfloat16. Models take turns, a pair of processes each;
    when all ways have been tried, the fastest two run against each other. The table is RESULTS/tables/peers.md.

    Exit code: 0 done, 2 wrong use, 3 nothing could be compared, 130 interrupted: pairs that ended are kept.

    Example: python -m bench peers --model squeezenet,dense --budget 10m
    """
    comparisons, code = wanted.comparisons(place, output.results), 0
    mark = _take_up(comparisons, output.results) if wanted.resume or wanted.show_last else ""
    if not wanted.show_last:
        output.check_writable()
        code = _follow(comparisons, wanted, output, mark)
    if not any(comparison.last for comparison in comparisons):
        options.tell(f"no pair of processes ended within {wanted.budget:.0f} s: give more time, or fewer models")
        options.leave(code or NOTHING_MEASURED)
    _show(comparisons, wanted, output)
    options.leave(code or (DONE if any(comparison.fastest for comparison in comparisons) else NOTHING_MEASURED))


def _take_up(comparisons: "Sequence[PeerComparison]", results: Path) -> str:
    """Enters the pairs of the last run and gives its mark."""
    from bench.compare import peers
    from bench.compare.pair_result import PairResult
    from bench.machine import facts
    from bench.results import store

    stored = store.load(PairResult, results).results
    mark = peers.take_up(comparisons, stored, facts.hardware_id(), facts.code()["digest"])
    if not mark:
        raise InputError(f"{results} must hold a run of this machine and code. Received: none. Leave the option out")
    return mark


def _follow(comparisons: "Sequence[PeerComparison]", wanted: Wanted, output: Output, mark: str) -> int:
    """Runs pairs behind a bar; gives the exit code so far."""
    from bench.compare import peers

    left = sum(comparison.left for comparison in comparisons)
    mark = mark or f"{peers.MARK}{new_mark()}"
    what = f"about {left} pairs of processes, of {len(comparisons)} models and their peers in plain torch"
    options.tell(durations.forecast(what, budget=wanted.budget))
    with progress.bar("pairs with peers", left) as advance:
        try:
            for _ in peers.run(comparisons, output.results, budget_seconds=wanted.budget, mark=mark):
                before, left = left, sum(comparison.left for comparison in comparisons)
                advance(before - left)
        except KeyboardInterrupt:
            kept = any(comparison.last for comparison in comparisons)
            options.tell(f"interrupted with about {left} pairs to go; {entry.how_to_go_on(sys.argv, kept=kept)}")
            return entry.INTERRUPTED
    if left:
        options.tell(f"the budget ended with about {left} pairs to go; `{entry.again(sys.argv)}` goes on")
    return 0


def _show(comparisons: "Sequence[PeerComparison]", wanted: Wanted, output: Output) -> None:
    """Prints and keeps the table."""
    from bench.compare import peers_table
    from bench.machine import facts
    from bench.report import gather
    from bench.results import peak, store

    cells = [side.cell for comparison in comparisons for side in (*comparison.ours, *comparison.peers)]
    limits = peak.of_machine(store.load(peak.Peak, output.results).results, facts.fingerprint(), cells)
    known = gather.costs({comparison.model for comparison in comparisons}), limits
    command = f"python -m bench peers{_options(wanted)}{store.option(output.results)}"
    store.save_table("peers.md", peers_table.markdown(comparisons, *known, command=command), output.results)
    output.show(peers_table.plain(comparisons, *known), [peers_table.table(comparisons, *known)])


def _options(wanted: Wanted) -> str:
    """What measures the same again."""
    words = [f" --model {','.join(wanted.model)}"] if wanted.model else []
    words += [f" --budget {wanted.budget / 60:g}m"]
    words += [f" --batch-size {wanted.batch_size}"] if wanted.batch_size else []
    words += [f" --pairs {wanted.pairs}", " --all-ways" * wanted.all_ways]
    return "".join(words)


COMMANDS = (peers,)
