"""What to do about a trace: one sentence with its figure."""

from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.run import xprof
from bench.run.profiler_trace import Trace
from flowers_core import user_code

INPUT_BOUND = 0.1  # share of a step that waits for input; from there on more than the step's own speed is at stake
OVERHEAD = 0.3  # share of a step that neither computes nor waits for input


def sentence(trace: Trace, cell: Cell | None = None, *, into: str = "") -> str:
    """What limits the traced step, its figure, and what to try first; empty where the trace says nothing.

    Nothing is said of a pipeline where a resident batch was drawn.

    Args:
        trace: What XProf found.
        cell: What was traced, if it is known: then a command is named.
        into: The option that names the store to that command.
    """
    if trace.problem or not trace.step_seconds:
        return ""
    if cell is not None and cell.model == NO_MODEL:
        return f"the pipeline alone: {_shares(trace.data_ops)}" if trace.data_ops else ""
    if (trace.input_share or 0.0) >= INPUT_BOUND and (cell is None or cell.pipeline != RESIDENT):
        return _input_bound(trace, cell, into)
    if (trace.other_share or 0.0) >= OVERHEAD:
        spent = f"{trace.other_share:.0%} of the step neither computes nor waits for input"
        return f"overhead-bound: {spent}; {_larger_first(cell, into)}"
    if not trace.work:  # a framework whose operations nobody counts
        busy = 1 - (trace.input_share or 0.0) - (trace.other_share or 0.0)
        figure = f"{busy:.0%} of the step computes, and XProf counts no operation of it"
        return f"compute-bound: {figure}; {_cheaper(trace, cell, into)}"
    where = f" (most in {trace.work[0]['layer']})" if trace.work[0].get("layer") else ""
    first, *second = [f"{work['share']:.0%} of the operations' time in {work['name']}" for work in trace.work[:2]]
    figure = ", ".join([first + where, *(text.replace(" of the operations' time", "") for text in second)])
    return f"compute-bound: {figure}; {_cheaper(trace, cell, into)}"


def _shares(operations: list[dict]) -> str:
    return ", ".join(
        f"{operation['share']:.0%} of its operations' time in {operation['name']}" for operation in operations[:1]
    )


def _input_bound(trace: Trace, cell: Cell | None, into: str) -> str:
    longest = f", and {_shares(trace.data_ops)}" if trace.data_ops else ""
    command = f": `python -m bench stall {_options(cell, cell.batch_size, 'precision')}{into}`" if cell else ""
    return (
        f"input-bound: {trace.input_share:.0%} of the step waits for input{longest}; a faster pipeline first{command}"
    )


def _cheaper(trace: Trace, cell: Cell | None, into: str) -> str:
    """What may cost less an image: bfloat16 where the cell has float32, and a larger batch.

    An optimizer updates as many variables, in float32, whatever the batch and the precision.
    """
    if cell is None or cell.precision != "float32" or [work["name"] for work in trace.work[:1]] == [xprof.OPTIMIZER]:
        return _larger_first(cell, into)
    command = f"python -m bench compare --axis precision=float32,mixed_bfloat16 {_options(cell, cell.batch_size)}{into}"
    return f"bfloat16 or batch {2 * cell.batch_size} first: `{command}`"


def _larger_first(cell: Cell | None, into: str) -> str:
    if cell is None:
        return "a larger batch first"
    larger = 2 * cell.batch_size
    return f"batch {larger} first: `python -m bench measure {_options(cell, larger, 'mode', 'precision')}{into}`"


def _options(cell: Cell, batch_size: int, *further: str) -> str:
    """The cell as options of a command, but for what the command assumes.

    Args:
        cell: What was traced.
        batch_size: That of the command.
        further: Fields that the command takes beside pipeline and backend.
    """
    names = [name for name in ("pipeline", *further, "backend") if getattr(cell, name) != getattr(Cell, name)]
    values = {name: user_code.as_option(getattr(cell, name)) for name in ("model", *names)}
    model, *others = [f"--{name} {value}" for name, value in values.items()]
    return " ".join([model, f"--batch-size {batch_size}", *others])
