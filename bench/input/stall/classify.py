"""Classifies what a step loses to its input, from its pipeline alone, the step alone and both together."""

from dataclasses import dataclass

INPUT_BOUND, COMPUTE_BOUND, BALANCED, CONTENDED = "input-bound", "compute-bound", "balanced", "host-contended"

# A device that computes 90 % of the time counts as fed well enough: MLPerf Storage's threshold for most of its models.
FED = 0.9
# A pipeline that needs over 80 % of the step's time for a batch keeps up, but a step a quarter faster would wait.
CLOSE = 0.8
# A loss has two causes, input that is too slow or too late, and cores that both want: it is named after the larger.
MOST = 0.5
# Input delays a step by the waiting and by the CPU seconds that it takes, doubled: all threads of an operation wait for
# the one that lost its core, and caches are cold afterwards. What is lost beyond that was not lost to input.
HARM = 2
# Cores that are busy 90 % of the time have nothing left: what a pipeline takes longer than alone it waits for them, not
# for itself. Measured: a convolution step alone keeps 2 cores 85 to 95 % busy, waiting for files far less.
FULL = 0.9


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What three fresh processes measured of one cell; seconds per batch, on the wall clock unless stated otherwise.

    Attributes:
        pipeline_seconds: The pipeline alone; nothing is computed.
        step_seconds: The step alone, on a resident batch.
        both_seconds: The step, fed by the pipeline.
        wait_seconds: Of these, waiting for the batch; None where it could not be timed.
        pipeline_cpu_seconds: CPU seconds of the pipeline alone.
        both_cpu_seconds: CPU seconds of both together.
        cores: That the processes may use.
        shares_cores: Whether the step computes on them, not on a device of its own.
        foreign_cpu_share: Share of these cores' time that other programs used while both ran; 0 if unknown.
    """

    pipeline_seconds: float
    step_seconds: float
    both_seconds: float
    wait_seconds: float | None
    pipeline_cpu_seconds: float
    both_cpu_seconds: float
    cores: int
    shares_cores: bool = True
    foreign_cpu_share: float = 0.0

    @property
    def stall(self) -> float:
        """Share of its speed that the step loses when it is fed; below 0 where noise made it faster."""
        return 1 - self.step_seconds / self.both_seconds

    @property
    def overlap(self) -> float:
        """How well both run side by side: 1 where together they take no longer than the slower one alone."""
        return max(self.pipeline_seconds, self.step_seconds) / self.both_seconds

    @property
    def waiting(self) -> float | None:
        """Share of the time that is spent waiting for a batch."""
        return None if self.wait_seconds is None else self.wait_seconds / self.both_seconds

    @property
    def explained(self) -> float:
        """Share of the time that input can have cost: waiting, and the cores that it took; no more than the stall."""
        if self.wait_seconds is None or not self.shares_cores:
            return max(0.0, self.stall)
        most = (self.wait_seconds + HARM * self.pipeline_cpu_seconds) / self.both_seconds
        return max(0.0, min(self.stall, most))

    @property
    def busy(self) -> float:
        """Share of all cores' time that both together use."""
        return self.both_cpu_seconds / (self.both_seconds * self.cores)

    @property
    def taken(self) -> float:
        """Share of all cores' time that anyone uses."""
        return min(1.0, self.busy + self.foreign_cpu_share)

    @property
    def lost_seconds(self) -> float:
        """What input costs a step."""
        return self.explained * self.both_seconds

    @property
    def waited_seconds(self) -> float:
        """What of it is waiting; all of it where that could not be timed."""
        return self.lost_seconds if self.wait_seconds is None else min(self.wait_seconds, self.lost_seconds)

    @property
    def own_seconds(self) -> float:
        """What the step would wait for a pipeline with cores of its own, which takes as long as it does alone."""
        return min(self.waited_seconds, max(0.0, self.pipeline_seconds - self.step_seconds))

    @property
    def contended_seconds(self) -> float:
        """What cores of their own would save: slower computing, and waiting beyond `own` while no core is idle."""
        late = self.waited_seconds - self.own_seconds if self.taken >= FULL else 0.0
        return self.lost_seconds - self.waited_seconds + late


def classify(facts: Facts) -> tuple[str, str]:
    """Gives the verdict and the reason.

    1. Fed: the step keeps 90 % of its speed, or what it loses beyond that cannot be input's doing: it neither waits
       for it nor lacks the CPU seconds that input takes. `compute-bound`, or `balanced` where the pipeline has less
       than a quarter to spare.
    2. Not fed: what input costs is split by what would take it away. Cores of their own would take away what the step
       computes more slowly than alone, and, while no core is idle, what it waits longer than for the pipeline alone. If
       that is most of it, `host-contended`.
    3. Else `input-bound`: the pipeline alone is slower than the step, or does not run ahead of it.

    Rule 1 holds on a busy machine, too: waiting and CPU seconds are of one process, while the stall compares two.
    Where waiting could not be timed, all that is lost counts as waiting. A step on a device of its own has no cores to
    lose: what it loses besides waiting is the transfer of the batch to the device, which is input, too.
    """
    share = facts.pipeline_seconds / facts.step_seconds
    needs = f"a batch takes the pipeline alone {share:.0%} of the step's time"
    if facts.explained <= 1 - FED:
        if facts.stall > 1 - FED:
            explained = f"input explains at most {facts.explained:.0%} by waiting and CPU seconds"
            needs = f"{explained}; the rest is noise or other programs"
        return (BALANCED if share > CLOSE else COMPUTE_BOUND), needs
    if not facts.shares_cores:
        return (
            INPUT_BOUND,
            f"{needs}; it waits {facts.waiting or 0:.0%} of the time, the rest is the transfer to the device",
        )
    if facts.contended_seconds > MOST * facts.lost_seconds:
        return CONTENDED, _why_contended(facts)
    if share > 1:
        return INPUT_BOUND, needs
    return INPUT_BOUND, f"it waits with cores {1 - facts.taken:.0%} idle: the pipeline does not run ahead"


def _why_contended(facts: Facts) -> str:
    """The larger part of what cores of their own would save."""
    computing = facts.lost_seconds - facts.waited_seconds
    if computing > MOST * facts.lost_seconds:
        share = computing / facts.lost_seconds
        return f"{share:.0%} of what input costs it is slower computing: input takes cores from it"
    full = f"all cores are {facts.taken:.0%} busy"
    if facts.own_seconds:
        share = facts.contended_seconds / facts.lost_seconds
        return f"{share:.0%} of what input costs it would go if each had cores of its own: {full}"
    return f"it waits, but alone the pipeline keeps up: {full}"
