"""What a diagnosis says: the verdict on a model and its dataset, what it costs, and the one next thing to do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from io import StringIO

from bench.input.stall import classify
from bench.input.stall.classify import BALANCED, COMPUTE_BOUND, CONTENDED, INPUT_BOUND
from bench.input.stall.dataset_stages import Stage
from bench.input.stall.live_runs import LiveRuns
from bench.machine.facts import BUSY_SHARE
from bench.results import format
from bench.results.table import printable

COMPILE_BOUND = "compile-bound"
MOSTLY = 0.5  # of the time: what takes more than this is what a fit is bound by
SLOW = 10.0  # times the usual: steps that compiled, for nothing else takes a step so long and the next one not
MILD, MODERATE, SEVERE = 0.1, 0.25, 0.5  # headspace from which a verdict has this severity
FEW = 2  # steps that compile in every fit: the first, and that of a smaller last batch
WIDTH = 88


@dataclass(frozen=True, kw_only=True)
class FitClocks:
    """What a callback's clocks say of a fit.

    Attributes:
        step_seconds: From the begin of each batch to that of the next, Keras' loop and other callbacks among it.
        hook_seconds: What the callback itself took of them, in all.
    """

    step_seconds: tuple[float, ...]
    hook_seconds: float

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(self.step_seconds)

    @property
    def median(self) -> float:
        """Seconds of a step."""
        ordered = sorted(self.step_seconds)
        return ordered[len(ordered) // 2]

    def beyond(self, usual: float) -> list[float]:
        """What steps took beyond the usual that took over ten times as long, the first among them."""
        return [seconds - usual for seconds in self.step_seconds if seconds > SLOW * usual]

    @property
    def overhead(self) -> float:
        """Share of the fit's time that the callback took."""
        return self.hook_seconds / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The verdict on a model and its dataset; `print` shows it as a box, a notebook as a table.

    Attributes:
        runs: What was measured.
        data: What the dataset is.
        stages: Transformations of a `tf.data.Dataset`, timed where input costs something; empty of others.
        clocks: Of a fit, if a callback watched one.
        fit_steps: Of the whole fit, where the user says how many; without, compiling is not judged.
    """

    runs: LiveRuns
    data: str = "a tf.data.Dataset"
    stages: tuple[Stage, ...] = ()
    clocks: FitClocks | None = None
    fit_steps: int | None = None

    @property
    def verdict(self) -> str:
        """`input-bound`, `compute-bound`, `balanced`, `host-contended` or `compile-bound`."""
        return COMPILE_BOUND if self.compile_share > MOSTLY else classify.classify(self.runs.facts)[0]

    @property
    def reason(self) -> str:
        """Why."""
        if self.verdict != COMPILE_BOUND:
            return classify.classify(self.runs.facts)[1]
        if self.clocks:
            return (
                f"{len(self.compiling)} of {len(self.clocks.step_seconds)} steps took over {SLOW:g} times as long as "
                f"usual, {format.duration(sum(self.compiling))} more in all"
            )
        return f"the first step takes {format.duration(self.runs.first_step_seconds)}, and there are {self.fit_steps}"

    @property
    def compile_share(self) -> float:
        """Share of the fit's time that goes into compiling; 0 if its steps are unknown."""
        if self.clocks:
            return sum(self.compiling) / self.clocks.seconds if self.clocks.seconds else 0.0
        if not self.fit_steps:
            return 0.0
        compiling = max(0.0, self.runs.first_step_seconds - self.runs.facts.step_seconds)
        return compiling / (compiling + self.fit_steps * self.runs.facts.both_seconds)

    @property
    def compiling(self) -> list[float]:
        """Seconds beyond the usual of each step of a fit that compiled.

        Backends that compute behind `fit`'s back give some batches no time and the next one theirs: a step is usual
        that takes what a synchronised one does.
        """
        return self.clocks.beyond(max(self.clocks.median, self.runs.facts.both_seconds)) if self.clocks else []

    @property
    def headspace(self) -> float:
        """Share of a step that a free input would save, as far as input explains it."""
        return self.runs.facts.explained

    @property
    def severity(self) -> str:
        """`none`, `mild`, `moderate` or `severe`, by what could be saved."""
        share = self.compile_share if self.verdict == COMPILE_BOUND else self.headspace
        words = ((SEVERE, "severe"), (MODERATE, "moderate"), (MILD, "mild"))
        return next((word for least, word in words if share > least), "none")

    @property
    def title(self) -> str:
        """The verdict, with its severity where something can be saved."""
        return self.verdict if self.severity == "none" else f"{self.verdict} ({self.severity})"

    @property
    def costliest(self) -> Stage | None:
        """The transformation that adds most to a batch's time; None where it cannot be seen."""
        timed = [stage for stage in self.stages if stage.seconds]
        return max(timed, key=lambda stage: stage.seconds or 0.0, default=None)

    @property
    def headline(self) -> str:
        """What it comes to, in a sentence."""
        facts = self.runs.facts
        if self.verdict == COMPILE_BOUND:
            return f"Compiling takes {self.compile_share:.0%} of the fit."
        both, alone = format.duration(facts.both_seconds), format.duration(facts.step_seconds)
        return f"A free input would save {self.headspace:.0%} of each step: {both} fed, {alone} on a batch at hand."

    @property
    def advice(self) -> str:
        """The one next thing to do."""
        return _ADVICE[self.verdict](self)

    def lines(self) -> list[tuple[str, str]]:
        """What stands below the headline: name and text."""
        facts, stage = self.runs.facts, self.costliest
        rows = [
            ("why", self.reason),
            (
                "input",
                f"alone {format.duration(facts.pipeline_seconds)} a batch of {self.runs.batch_size}, {self.data}",
            ),
            ("waiting", f"{facts.waiting:.0%} of a fed step" if facts.waiting is not None else "n/a"),
        ]
        if stage and stage.seconds:
            rows.append(("costs most", f"{stage.name}: {format.duration(stage.seconds)} a batch"))
        rows.append(("next", self.advice))
        rows += [("note", note) for note in self.notes()]
        return rows

    def notes(self) -> list[str]:
        """What makes figures doubtful, and what they cost."""
        notes, facts = [], self.runs.facts
        if self.verdict == COMPILE_BOUND:
            verdict, _ = classify.classify(facts)
            notes.append(f"its steps themselves are {verdict}: a free input would save {self.headspace:.0%} of each")
        if facts.stall < -MILD:
            notes.append("faster fed than on a batch at hand: noise is larger than what input costs")
        if self.runs.foreign_cpu_share > BUSY_SHARE:
            notes.append(f"other programs used {self.runs.foreign_cpu_share:.0%} of the CPU meanwhile")
        if self.runs.passes > 2 and not self.runs.steps:
            notes.append(f"the dataset began {self.runs.passes} times: what that takes is part of the figures")
        elif self.runs.steps and self.runs.steps < 2 * timed_steps(self.runs):
            notes.append(f"the dataset ends after {self.runs.steps} batches: beginning anew is part of the figures")
        if self.clocks and self.clocks.median > (1 + MILD) * facts.both_seconds:
            more = format.duration(self.clocks.median - facts.both_seconds)
            notes.append(f"in the fit a step took {more} more: Keras' loop, other callbacks, or a busier machine")
        notes.append(f"the diagnosis took {format.duration(self.runs.seconds)} and left the weights as they were")
        if self.clocks:
            notes.append(f"the callback's clocks took {100 * self.clocks.overhead:.2g} % of the fit")
        return notes

    def __str__(self) -> str:
        from rich.console import Console
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        for name, text in self.lines():
            grid.add_row(Text(name), Text(printable(text)))
        whole = Table.grid()
        whole.add_row(Text(self.headline))
        whole.add_row(Text(""))
        whole.add_row(grid)
        # Not by Jupyter, which would show the text at once and leave none to return.
        console = Console(file=StringIO(), width=WIDTH, color_system=None, force_jupyter=False)
        console.print(Panel(whole, title=self.title, title_align="left"))
        return console.file.getvalue().rstrip("\n")  # type: ignore[attr-defined]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in self.lines()
        )
        return f"<div><h4>{escape(self.title)}</h4><p><b>{escape(self.headline)}</b></p><table>{rows}</table></div>"

    def to_dict(self) -> dict:
        """Plain values: verdict, severity, headline, headspace and all that was measured, in seconds and shares."""
        facts = self.runs.facts
        return {
            "verdict": self.verdict,
            "severity": self.severity,
            "headline": self.headline,
            "reason": self.reason,
            "next": self.advice,
            "headspace_share": self.headspace,
            "stall_share": facts.stall,
            "waiting_share": facts.waiting,
            "compile_share": self.compile_share,
            **asdict(facts),
            **{name: value for name, value in asdict(self.runs).items() if name != "facts"},
            "data": self.data,
            "stages": [asdict(stage) for stage in self.stages],
            "costs_most": self.costliest.name if self.costliest else None,
            "fit_step_seconds": self.clocks.median if self.clocks else None,
            "callback_share": self.clocks.overhead if self.clocks else None,
        }

    def with_stages(self, stages: Sequence[Stage]) -> "Diagnosis":
        """The same with the stages of its dataset."""
        return replace(self, stages=tuple(stages))


def timed_steps(runs: LiveRuns) -> int:
    """How many batches were drawn in one pass, about."""
    return runs.batches // max(1, runs.passes)


def _advise_input(diagnosis: Diagnosis) -> str:
    stage, stages = diagnosis.costliest, diagnosis.stages
    if diagnosis.data == "a PyDataset":
        return "give the PyDataset workers (`super().__init__(workers=4, use_multiprocessing=True)`)"
    if not stages:
        return (
            "`fit` draws from it in one thread: make it a keras.utils.PyDataset with workers, or a tf.data.Dataset "
            "with a parallel map"
        )
    if stage and stage.serial:
        return f"give {stage.name} `num_parallel_calls=tf.data.AUTOTUNE`: it works on one element after another"
    if stage and stage.kind in ("from_generator", "flat_map"):
        return f"{stage.name} runs in one thread: let it give paths or indices, and do the work in a parallel map"
    if stages[-1].kind != "prefetch" and not any(later.kind == "prefetch" for later in stages[-2:]):
        return "end the dataset with `.prefetch(tf.data.AUTOTUNE)`: it then works while the step computes"
    where = f"after {stage.name}" if stage else "before what changes at random"
    return (
        f"`.cache()` {where} if memory holds it, or store what it computes (smaller images, records); else more cores"
    )


def _advise_contended(diagnosis: Diagnosis) -> str:
    facts = diagnosis.runs.facts
    return (
        f"input takes {format.duration(facts.pipeline_cpu_seconds)} of CPU a batch from the step's {facts.cores} "
        "cores: make it cheaper (cache, smaller images, uint8 scaled in the model), or give it cores of its own"
    )


def _advise_compute(_: Diagnosis) -> str:
    return (
        "input keeps up, so make the step cheaper: `keras.config.set_dtype_policy('mixed_bfloat16')`, "
        "`jit_compile=True` or a larger batch; a trace (`keras.callbacks.TensorBoard`) says where its time goes"
    )


def _advise_balanced(diagnosis: Diagnosis) -> str:
    facts = diagnosis.runs.facts
    gain = max(0.0, 1 - facts.pipeline_seconds / facts.both_seconds)
    return f"a faster step alone gains at most {gain:.0%}, then input is the limit: make both faster"


def _advise_compiling(diagnosis: Diagnosis) -> str:
    if len(diagnosis.compiling) > FEW:
        return "each new shape compiles anew: `batch(..., drop_remainder=True)`, and images and texts of one size"
    return "train for more steps before you judge its speed, or compile without XLA (`jit_compile=False`)"


_ADVICE = {
    INPUT_BOUND: _advise_input,
    CONTENDED: _advise_contended,
    COMPUTE_BOUND: _advise_compute,
    BALANCED: _advise_balanced,
    COMPILE_BOUND: _advise_compiling,
}
