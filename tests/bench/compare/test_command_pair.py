"""Two commands in turns: what is measured of them, what they print, and what is said where one cannot be compared."""

import shlex
import sys
from random import Random

import pytest

from bench.compare import command_pair
from bench.compare.command_pair import Recorder
from bench.compare.pair_result import PairResult
from bench.compare.variant import Command, Metric, VariantPair, shared_clocks
from bench.run import process
from flowers_core.errors import InputError

PYTHON = f"{sys.executable} -S -E -c"
NOTHING = Command(line=f"{PYTHON} pass")


def printing(text, *, higher_is_better=False):
    metric = Metric(name="cost", higher_is_better=higher_is_better)
    return Command(line=f"printf '%b' {shlex.quote(text)}", metric=metric)


def test_record_runs_each_in_both_orders():
    """A pair holds whole ABBA or BAAB orders, with wall and CPU seconds of each run."""
    recorder = Recorder(NOTHING, NOTHING, draw=Random(1))
    (result,) = recorder.record(NOTHING, NOTHING, comparison="mark")

    assert {result.order[start : start + 4] for start in range(0, len(result.order), 4)} <= {"ABBA", "BAAB"}
    assert len(result.base_samples) == len(result.candidate_samples) == len(result.order) / 2
    assert all(sample.wall_seconds > 0 and sample.cpu_seconds > 0 for sample in result.base_samples)
    assert result.comparison == "mark"


def test_record_counts_cpu_seconds_of_children_of_the_command():
    """A shell that waits for a program has its CPU time, too."""
    work = Command(line=f"sh -c \"{PYTHON} 'sum(range(10**7))'; true\"")
    (result,) = Recorder(work, work).record(work, work)

    assert min(sample.cpu_seconds for sample in result.base_samples) > 0.03  # so much work takes ten times as long


@pytest.mark.usefixtures("countable")
def test_record_counts_instructions_where_it_can():
    """They are a third clock, of children's children as well, and are stored with the times."""
    work = Command(line=f"sh -c \"{PYTHON} 'sum(range(10**7))'; true\"")
    (result,) = Recorder(work, NOTHING).record(work, NOTHING)
    kept = PairResult.from_json(result.to_json())

    assert shared_clocks([VariantPair(work, work)]) == ("wall", "cpu", "instructions")
    assert min(kept.step_seconds("base", "instructions")) > max(kept.step_seconds("candidate", "instructions")) > 0
    assert kept.is_counted


def test_pair_of_commands_is_no_noise_of_a_cell():
    """The same command twice is named once, and no floor of a cell is made of it."""
    (result,) = Recorder(NOTHING, NOTHING).record(NOTHING, NOTHING)

    assert result.cell == NOTHING.name
    assert not result.identical


@pytest.mark.parametrize(("higher_is_better", "cost"), [(False, 4.0), (True, 0.25)])
def test_metric_takes_the_place_of_wall_seconds(higher_is_better, cost):
    """The last line that has the figure counts, and of rates the inverse; CPU seconds have no say then."""
    command = printing('{"cost": 1}\n{"cost": 4, "other": 2}\nthe end', higher_is_better=higher_is_better)
    (result,) = Recorder(command, command).record(command, command)

    assert result.base_samples[0].wall_seconds == cost
    assert shared_clocks([VariantPair(command, command)]) == ("wall",)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (Command(line=f"{PYTHON} 'raise SystemExit(3)'"), "exit code 3"),
        (Command(line="no-such-program --flag"), "cannot be started: No such file"),
        (Command(line=f"{PYTHON} 'import os; os.abort()'"), "signal 6"),
        (Command(line="   "), "must name a program"),
        (Command(line="echo 'unfinished"), "words as in a shell"),
        (Command(line=f"{PYTHON} pass", prepare="false"), "false: it ended with exit code 1"),
        (printing("no figure"), "printed no JSON line with 'cost'"),
        (printing('{"cost": "much"}'), "must be a positive number"),
        (printing('{"cost": -1}'), "must be a positive number"),
    ],
    ids=["fails", "missing", "killed", "empty", "unfinished", "unprepared", "silent", "no number", "negative"],
)
def test_recorder_refuses_a_command_that_cannot_be_compared(command, message):
    """One sentence says which command and why, before anything is measured."""
    with pytest.raises(InputError, match=message):
        Recorder(NOTHING, command)


def test_recorder_refuses_a_base_that_fails_where_the_candidate_does_not():
    """Exit codes that differ are no comparison: the side that failed is named."""
    with pytest.raises(InputError, match=r"SystemExit\(2\).*exit code 2.*Both commands must end with exit code 0"):
        Recorder(Command(line=f"{PYTHON} 'raise SystemExit(2)'"), NOTHING)


def test_record_keeps_a_run_that_failed_later(tmp_path):
    """A command that fails in the midst of a comparison costs that pair alone."""
    flag = tmp_path / "ran"
    once = Command(line=f"{PYTHON} 'import os, sys; sys.exit(os.path.exists(\"{flag}\"))'")
    recorder = Recorder(NOTHING, once)
    flag.touch()
    (result,) = recorder.record(NOTHING, once)

    assert result.status == "error"
    assert "exit code 1" in result.reason


def test_run_prepares_before_each(tmp_path):
    """What prepares a run comes before each of them, and its time is not the run's."""
    log = tmp_path / "log"
    note = f'{PYTHON} \'open("{log}", "a").write("{{}}")\''
    command = Command(line=note.format("r"), prepare=note.format("p"))
    (result,) = Recorder(command, command).record(command, command)

    assert log.read_text() == "pr" * (2 + len(result.order))


def test_run_to_end_ends_what_takes_too_long():
    """A command over its time is ended with all that it started."""
    with pytest.raises(process.Died, match="did not end within"):
        process.run_to_end(["sleep", "60"], env={"PATH": "/usr/bin:/bin"}, timeout=0.1)


def test_name_hides_credentials():
    """What is stored of a command holds no password."""
    command = Command(line="train --api-key=hunter2 --password hunter2 --epochs 3 --url https://me:pw@host/")

    assert "hunter2" not in command.name
    assert "pw@" not in command.name
    assert "--epochs 3" in command.name


def test_figure_is_that_of_the_last_line_with_it():
    """Lines that are no JSON, or other JSON, are passed over."""
    printed = b'{"cost": 2}\n[1]\n{"cost": 3}\nnonsense {'

    assert command_pair.figure(NOTHING, Metric(name="cost"), printed) == 3.0
