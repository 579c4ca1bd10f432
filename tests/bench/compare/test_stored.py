"""Two stored sets: false alarms, true differences, refusals; truth is made up and seeded."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.compare import stored
from bench.results import store
from flowers_core.errors import InputError

DAYS = ("2026-11-23T12:00:00+00:00", "2026-11-24T12:00:00+00:00", "2026-11-25T12:00:00+00:00")


@pytest.fixture
def session(measured):
    """Makes one session: a process for each factor, for each cell, at a second a step times that factor."""

    def make(factors, *, sweep="", day=0, cells=({},), cpu=1.0, **facts):
        made = [
            measured(seconds=(factor,) * 3, sweep=sweep, round=number, **facts, **cell)
            for number, factor in enumerate(factors)
            for cell in cells
        ]
        return [
            replace(one, started=DAYS[day], step_cpu_seconds=tuple(cpu * each for each in one.step_seconds))
            for one in made
        ]

    return make


@pytest.fixture
def drawn(session):
    """Makes one session of three cells whose machine drifts by 5 % from others, and processes by 4 %."""
    cells = [{"model": name} for name in ("dense", "convnet", "squeezenet")]

    def make(chance, *, sweep, day, slower=1.0, drift=0.05):
        today = slower * np.exp(chance.normal(0, drift))
        return [
            one
            for cell in cells
            for one in session(today * np.exp(chance.normal(0, 0.04, 3)), sweep=sweep, day=day, cells=[cell])
        ]

    return make


def alarms(pairs):
    """How many of the pairs have any verdict slower or faster."""
    return sum(any(row.verdict in ("slower", "faster") for row in stored.compare(*pair)) for pair in pairs)


def test_one_session_each_raises_no_false_alarm(drawn):
    """Two sets of the same truth, with 5 % of drift between their sessions, differ in at most 2 % of 300 pairs."""
    chance = np.random.default_rng(1)

    assert alarms([(drawn(chance, sweep="a", day=0), drawn(chance, sweep="b", day=1)) for _ in range(300)]) <= 6


def test_two_sessions_each_raise_no_false_alarm(drawn):
    """Nor do they with two sessions a side, and rarely (4 %) even if these differ by twice what is stated."""
    chance = np.random.default_rng(2)
    pairs = [
        (
            drawn(chance, sweep="a", day=0, drift=drift) + drawn(chance, sweep="b", day=1, drift=drift),
            drawn(chance, sweep="c", day=1, drift=drift) + drawn(chance, sweep="d", day=2, drift=drift),
        )
        for drift in (0.05, 0.14)
        for _ in range(150)
    ]

    assert alarms(pairs[:150]) <= 3
    assert alarms(pairs[150:]) <= 6


def test_one_sweep_for_both_raises_no_false_alarm(drawn):
    """Nor do they where both sides ran in turns in one sweep, and no drift is added."""
    chance = np.random.default_rng(3)

    swept = [
        [one for _ in range(3) for one in drawn(chance, sweep="a", day=0, drift=0)]  # 9 processes a cell
        for _ in range(300)
    ]

    assert alarms([(one[0::2], one[1::2]) for one in swept]) <= 6


def test_half_as_slow_again_is_found(drawn):
    """A true +50 % between two days is found in all cells, for it is more than days differ by."""
    chance = np.random.default_rng(4)
    rows = stored.compare(drawn(chance, sweep="a", day=0), drawn(chance, sweep="b", day=1, slower=1.5))

    assert [row.verdict for row in rows] == ["slower"] * 3
    assert {row.reason for row in rows} == {"wall clock and CPU clock"}
    assert all(row.low < 1.5 < row.high for row in rows)
    assert stored.exit_code(rows) == 1


def test_faster_is_found_as_well(session):
    """Half the time is faster, the ratio is candidate over base, and nothing is slower."""
    (row,) = stored.compare(session((1.0, 1.01), sweep="a"), session((0.5, 0.505), sweep="b"))

    assert (row.verdict, row.base_seconds, row.candidate_seconds) == ("faster", pytest.approx(1.005), 0.5025)
    assert row.ratio == pytest.approx(0.5)
    assert stored.exit_code([row]) == 0


def test_other_sessions_are_never_the_same(session):
    """Equal figures of two days are inconclusive: days differ by more than 3 %."""
    (row,) = stored.compare(session((1.0, 1.001, 1.002), sweep="a"), session((1.0, 1.002, 1.001), sweep="b"))

    assert (row.verdict, row.session_sd) == ("inconclusive", pytest.approx(0.07))
    assert row.low < 0.85
    assert stored.exit_code([row]) == 0


def test_one_sweep_can_be_the_same(session):
    """Equal figures of one sweep are the same, within 3 % with 90 %; no drift of sessions is added."""
    (row,) = stored.compare(session((1.0, 1.01, 1.002), sweep="a"), session((1.001, 1.009, 1.003), sweep="a"))

    assert (row.verdict, row.session_sd) == ("same", 0)
    assert row.low > 0.97


def test_a_resumed_sweep_is_two_sessions(session):
    """One sweep whose sides ran on two days is no common session."""
    rows = stored.compare(session((1.0, 1.01), sweep="a", day=0), session((1.001, 1.011), sweep="a", day=1))

    assert rows[0].session_sd > 0


def test_single_measurements_take_no_turns(session):
    """Figures outside a sweep share no session, even if they were taken in the same hour."""
    assert stored.compare(session((1.0, 1.01)), session((1.02, 1.03)))[0].session_sd > 0


@pytest.mark.parametrize("counts", [(1, 1), (1, 3), (3, 1)])
def test_one_process_a_side(session, counts):
    """One process has an interval too: from the other side's processes, or from what is stated."""
    factors = [1.0, 1.03, 0.98]
    base, candidate = (session(factors[:count], sweep=name) for count, name in zip(counts, "ab", strict=True))
    (row,) = stored.compare(base, [replace(one, loss=2.0) for one in candidate])

    assert (row.base_processes, row.candidate_processes) == counts
    assert row.verdict == "inconclusive"
    assert row.low < 0.87 < 1.15 < row.high


def test_one_process_each_finds_what_is_large(session):
    """Twice the time is found with one process a side."""
    assert stored.compare(session((1.0,), sweep="a"), session((2.0,), sweep="b"))[0].verdict == "slower"


def test_the_cpu_clock_decides_alone(session):
    """More work at the same wall time is slower, and the reason names the clock."""
    base, candidate = session((1, 1.01, 0.99), sweep="a"), session((1.001, 1.012, 0.99), sweep="a", cpu=1.4)
    (row,) = stored.compare(base, candidate)

    assert (row.verdict, row.reason) == ("slower", "CPU clock")
    assert row.cpu_ratio == pytest.approx(1.4, rel=0.01)


def test_the_wall_clock_goes_first(session):
    """Less time by more work is faster, and the reason says what the other clock says."""
    base, candidate = session((1, 1.01, 0.99), sweep="a"), session((0.5, 0.51, 0.49), sweep="a", cpu=3)

    assert stored.compare(base, candidate)[0].reason == "wall clock; by the CPU clock slower"
    assert stored.compare(base, candidate)[0].verdict == "faster"


def test_an_accelerator_is_judged_by_the_wall_clock(session):
    """The CPU's time tells nothing of a GPU's step."""
    gpu = [{"device": "gpu"}]
    base = session((1, 1.01, 0.99), sweep="a", cells=gpu)
    candidate = session((1.001, 1.012, 0.99), sweep="a", cells=gpu, cpu=3)

    assert stored.compare(base, candidate)[0].verdict == "same"


def test_differences_refuse_a_verdict(session):
    """Sets that differ in what matters are refused, with what differs and the way to see them all the same."""
    base = session((1.0, 1.01), sweep="a", machine={"packages": {"tensorflow": "2.20.0"}})
    candidate = session((2.0, 2.01), sweep="b", machine={"packages": {"tensorflow": "2.21.0"}})

    with pytest.raises(InputError, match=r"tensorflow 2\.20\.0, 2\.21\.0.*--allow-mismatch"):
        stored.compare(base, candidate)


def test_anyway_gives_figures_without_a_verdict(session):
    """`allow_mismatch` shows the ratio of sets that differ, and passes no judgment: not even its exit code does."""
    base = session((1.0, 1.01), sweep="a", machine={"usable_cores": 2})
    rows = stored.compare(base, session((2.0, 2.02), sweep="b", machine={"usable_cores": 4}), allow_mismatch=True)

    assert (rows[0].verdict, rows[0].reason) == ("n/a", "no verdict: usable cores 2, 4")
    assert rows[0].ratio == pytest.approx(2)
    assert stored.exit_code(rows) == 3


def test_other_code_is_compared(session):
    """The code is what is compared: no reason to refuse."""
    candidate = session((2.0,), sweep="b", code={"digest": "e2e2e2e2e2e2", "commit": 40 * "1"})

    assert stored.compare(session((1.0,), sweep="a"), candidate)[0].verdict == "slower"


def test_only_cells_with_a_partner_must_be_alike(session):
    """What differs in a cell that is left out allow_mismatch is no reason to refuse the others."""
    base = session((1.0,), sweep="a")
    other = session((1.0,), sweep="a", machine={"usable_cores": 9}, cells=[{"model": "convnet"}])

    assert stored.compare(base + other, session((2.0,), sweep="b"))[0].verdict == "slower"


def test_cells_of_one_side_are_named(session):
    """A cell that one side lacks has a row without figures that says which side."""
    base = session((1.0,), sweep="a", cells=[{}, {"model": "convnet"}])
    rows = stored.compare(base, session((2.0,), sweep="b", cells=[{}, {"model": "squeezenet"}]))

    assert [(row.cell.model, row.verdict, row.reason) for row in rows[1:]] == [
        ("convnet", "n/a", "candidate lacks it"),
        ("squeezenet", "n/a", "base lacks it"),
    ]


def test_failures_have_no_figure(measured, session):
    """A cell that failed on a side says how, and alone it is nothing to compare."""
    rows = stored.compare(session((1.0,)), [measured(status="oom", reason="killed")])

    assert [(row.verdict, row.reason, row.ratio) for row in rows] == [("n/a", "candidate oom: killed", None)]
    assert stored.exit_code(rows) == 3


def test_a_clock_that_stood_still_is_left_out(session):
    """Without CPU seconds the wall clock judges alone."""
    (row,) = stored.compare(session((1.0,), sweep="a", cpu=0), session((2.0,), sweep="b"))

    assert (row.verdict, row.reason, row.cpu_ratio) == ("slower", "wall clock", None)


def test_precisions_are_paired(session):
    """All of base in float32 and all of candidate in bfloat16 are compared, and the row says over what."""
    base = session((1.0,), sweep="a", cells=[{}, {"model": "convnet"}])
    half = [{"precision": "mixed_bfloat16"}, {"precision": "mixed_bfloat16", "model": "convnet"}]
    rows = stored.compare(base, session((0.4,), sweep="a", cells=half))

    assert [row.verdict for row in rows] == ["faster", "faster"]
    assert rows[0].over == "precision float32, mixed_bfloat16"


def test_batches_of_other_sizes_are_compared_by_the_image(session):
    """Where the batch size differs, the time of an image is compared, not that of a step."""
    rows = stored.compare(session((1.0,), sweep="a"), session((2.0,), sweep="a", cells=[{"batch_size": 64}]))

    assert (rows[0].per, rows[0].ratio) == ("image", pytest.approx(1))
    assert rows[0].base_seconds == 1 / 32


@pytest.mark.parametrize("margin", [0, 1, -0.1])
def test_the_margin_is_a_share(session, margin):
    """A margin of nothing or of everything is refused."""
    with pytest.raises(InputError, match="`margin` must be a share between 0 and 1"):
        stored.compare(session((1.0,)), session((1.0,)), margin=margin)


def test_rows_are_plain_values(session):
    """A row is one JSON object that names its cell."""
    rows = stored.compare(session((1.0,), sweep="a"), session((2.0,), sweep="b"))
    said = json.loads(json.dumps(rows[0].to_json(), allow_nan=False))

    assert said["cell_id"] == "dense-train-resident-192-b32-cpu-float32-tensorflow"
    assert (said["verdict"], said["base_processes"], said["cell"]["model"]) == ("slower", 1, "dense")


def test_a_file_and_a_store_are_sets(measured, tmp_path):
    """A set is a file or a folder: both give what was appended."""
    path = store.append(measured(), tmp_path)

    assert stored.load(path) == stored.load(tmp_path) == [measured()]


def test_damaged_lines_are_told(measured, tmp_path):
    """Damaged lines are left out of a set, and said so."""
    path = store.append(measured(), tmp_path)
    path.write_text(path.read_text() + '{"half": \nnonsense\n')
    told = []

    assert stored.load(path, told.append) == [measured()]
    assert "left out 2 damaged lines, the first: lab.jsonl:2" in told[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no .*: give a .jsonl file"),
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("nonsense\n{}\n\xff", "3 damaged lines, the first: set.jsonl:1"),
    ],
)
def test_nothing_to_read_is_refused(tmp_path, text, message):
    """A file that is missing, empty or no set is refused by what is wrong with it."""
    path = tmp_path / "set.jsonl"
    if text is not None:
        path.write_text(text, encoding="latin-1")

    with pytest.raises(InputError, match=message):
        stored.load(path)


def test_an_empty_store_is_refused(tmp_path):
    """A folder without measurements is no set."""
    with pytest.raises(InputError, match=r"it is empty.*measurements/\*\.jsonl of the folder"):
        stored.load(tmp_path)


def test_a_newer_format_is_refused(measured, tmp_path):
    """A set of which a newer program wrote any line is refused whole: half of it would mislead."""
    path = store.append(measured(), tmp_path)
    path.write_text(path.read_text() + json.dumps({**measured().to_json(), "format": 99}) + "\n")

    with pytest.raises(InputError, match=r"written by a newer program, update this one.*format 99"):
        stored.load(path)
