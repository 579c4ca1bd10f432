"""Two stored sets: false alarms, true differences, refusals; truth is made up and seeded."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from bench.compare import stored
from bench.results import store
from flowers_core.errors import InputError

DAYS = ("2026-11-23T12:00:00+00:00", "2026-11-24T12:00:00+00:00", "2026-11-25T12:00:00+00:00")

FACTORS = strategies.lists(strategies.floats(0.5, 2), min_size=3, max_size=5)


@pytest.fixture
def session(measured):
    """Makes one session: a process for each factor, for each cell, at a second a step times that factor."""

    def make(factors, *, sweep="", day=0, cells=({},), cpu=1.0, **facts):
        measurements = [
            measured(seconds=(factor,) * 3, sweep=sweep, round=number, **facts, **cell)
            for number, factor in enumerate(factors)
            for cell in cells
        ]
        return [
            replace(stored, started=DAYS[day], step_cpu_seconds=tuple(cpu * seconds for seconds in stored.step_seconds))
            for stored in measurements
        ]

    return make


@pytest.fixture
def three_cells(session):
    """Makes one session of three cells whose machine drifts by 5 % from others, and processes by 4 %."""
    cells = [{"model": name} for name in ("dense", "convnet", "squeezenet")]

    def make(chance, *, sweep, day, slower=1.0, drift=0.05, processes=3):
        today = slower * np.exp(chance.normal(0, drift))
        return [
            stored
            for cell in cells
            for stored in session(today * np.exp(chance.normal(0, 0.04, processes)), sweep=sweep, day=day, cells=[cell])
        ]

    return make


def words(base, candidate, **how):
    """The verdict of each cell."""
    return [row.verdict.word for row in stored.compare(base, candidate, **how)]


def alarms(pairs):
    """How many of the pairs have any verdict slower or faster."""
    return sum(not {"slower", "faster"}.isdisjoint(words(*pair)) for pair in pairs)


def test_compare_raises_no_false_alarm_between_sessions(three_cells):
    """Two sets of the same truth, one session or two each with 5 % of drift between, differ in at most 2 % of pairs."""
    chance = np.random.default_rng(1)
    single = [(three_cells(chance, sweep="a", day=0), three_cells(chance, sweep="b", day=1)) for _ in range(100)]
    many = [
        [
            three_cells(chance, sweep="a", day=0, processes=5) + three_cells(chance, sweep="b", day=1, processes=5),
            three_cells(chance, sweep="c", day=1, processes=5) + three_cells(chance, sweep="d", day=2, processes=5),
        ]
        for _ in range(100)
    ]

    assert alarms(single) <= 2
    assert alarms(many) <= 2


def test_compare_raises_no_false_alarm_within_a_sweep(three_cells):
    """Nor do they where both sets were measured in one sweep, and no drift is added."""
    chance = np.random.default_rng(3)
    sweeps = [three_cells(chance, sweep="a", day=0, drift=0, processes=12) for _ in range(100)]

    assert alarms([(sweep[0::2], sweep[1::2]) for sweep in sweeps]) <= 2


def test_compare_finds_half_as_slow_again(three_cells):
    """A true +50 % between two days is found in all cells, for it is more than days differ by."""
    chance = np.random.default_rng(4)
    base, candidate = (three_cells(chance, sweep=name, day=0, slower=slower) for name, slower in (("a", 1), ("b", 1.5)))
    rows = stored.compare(base, candidate)

    assert [(row.verdict.word, row.verdict.clock) for row in rows] == [("slower", "wall")] * 3
    assert all(row.verdict.estimates["wall"].low < 1.5 < row.verdict.estimates["wall"].high for row in rows)
    assert stored.exit_code(rows) == 1


def test_compare_finds_faster(session):
    """Half the time is faster, the ratio is candidate over base, and nothing is slower."""
    (row,) = stored.compare(session((1.0, 1.01, 1.02), sweep="a"), session((0.5, 0.505, 0.51), sweep="b"))

    assert (row.verdict.word, row.seconds["wall"]) == ("faster", (1.01, 0.505))
    assert row.ratio() == pytest.approx(0.5)
    assert stored.exit_code([row]) == 0


@given(base=FACTORS, candidate=FACTORS, scale=strategies.floats(0.01, 100))
def test_compare_is_symmetric(session, base, candidate, scale):
    """Swapped sets give the opposite word and the inverse ratio; on a machine of another speed nothing changes."""
    opposite = {"slower": "faster", "faster": "slower"}

    def verdict(base, candidate):
        others = [replace(measured, loss=2.0) for measured in session(candidate, sweep="a")]
        (row,) = stored.compare(session(base, sweep="a"), others)
        return row.verdict.word, row.ratio()

    word, ratio = verdict(base, candidate)
    scaled = ([scale * factor for factor in factors] for factors in (base, candidate))

    assert verdict(candidate, base) == (opposite.get(word, word), pytest.approx(1 / ratio))
    assert verdict(*scaled) == (word, pytest.approx(ratio))


@settings(max_examples=30)
@given(data=strategies.data())
def test_compare_does_not_depend_on_order(session, data):
    """However the lines of both sets lie, the rows are the same and stand in the same order."""
    cells = [{"model": "dense"}, {"model": "convnet"}]
    sides = [
        [
            replace(stored, started=f"{stored.started[:17]}{number:02}{stored.started[19:]}", loss=float(side))
            for number, stored in enumerate(session(data.draw(FACTORS), sweep="a", cells=cells))
        ]
        for side in (0, 1)
    ]
    shuffled = [data.draw(strategies.permutations(side)) for side in sides]

    assert _rows(shuffled) == _rows(sides)


def _rows(sides):
    """Rows as JSON, in which figures that are not numbers are alike."""
    return [json.dumps(row.to_json()) for row in stored.compare(*sides)]


@pytest.mark.parametrize("counts", [(1, 1), (2, 5), (5, 2)])
def test_compare_needs_three_processes_a_side(session, counts):
    """Fewer have no interval that says anything: the ratio stands alone, and the verdict names what is missing."""
    base, candidate = (session([1.0] * count, sweep=name) for count, name in zip(counts, "ab", strict=True))
    (row,) = stored.compare(base, [replace(measured, loss=2.0) for measured in candidate])

    assert (row.verdict.word, row.processes, row.ratio()) == ("inconclusive", counts, 1.0)
    assert row.verdict.reason.startswith("too few processes ({} and {})".format(*counts))
    assert not row.verdict.estimates


@pytest.mark.parametrize(
    ("sweeps", "days", "word", "session_sd"),
    [
        (("a", "a"), (0, 0), "same", 0),
        (("a", "b"), (0, 0), "inconclusive", stored.SESSION_SD),
        (("a", "a"), (0, 1), "inconclusive", stored.SESSION_SD),
        (("", ""), (0, 0), "inconclusive", stored.SESSION_SD),
    ],
    ids=["one sweep", "two sweeps", "resumed the next day", "no sweep takes no turns"],
)
def test_compare_adds_the_drift_of_sessions(session, sweeps, days, word, session_sd):
    """Equal figures of one sweep are the same; those of two sessions are inconclusive, for days differ by more."""
    (base, candidate) = (
        session(factors, sweep=sweep, day=day)
        for factors, sweep, day in zip(((1.0, 1.01, 1.002), (1.001, 1.009, 1.003)), sweeps, days, strict=True)
    )
    (row,) = stored.compare(base, candidate)

    assert (row.verdict.word, row.session_sd) == (word, session_sd)
    assert (row.verdict.estimates["wall"].low > 0.97) == (word == "same")


@pytest.mark.parametrize(
    ("wall", "cpu", "device", "verdict"),
    [
        (1.0, 1.4, "cpu", ("slower", "cpu")),
        (0.5, 3.0, "cpu", ("faster", "wall")),
        (1.0, 3.0, "gpu", ("same", "wall")),
        (2.0, 0.0, "cpu", ("slower", "wall")),
    ],
    ids=["work alone", "wall goes first", "an accelerator", "a clock that stood still"],
)
def test_compare_decides_by_clocks(session, wall, cpu, device, verdict):
    """CPU seconds decide where the wall clock does not contradict, and say nothing of an accelerator."""
    factors, cells = (1, 1.01, 0.99, 1.005), [{"device": device}]
    base = session(factors, sweep="a", cells=cells, cpu=float(cpu > 0))
    candidate = session([wall * factor + 1e-4 for factor in factors], sweep="a", cells=cells, cpu=cpu)
    (row,) = stored.compare(base, candidate)

    assert (row.verdict.word, row.verdict.clock) == verdict


def test_compare_refuses_sets_that_do_not_match(session):
    """Sets that differ in what matters are refused, with what differs and the way to see them all the same."""
    base = session((1.0, 1.01, 1.02), sweep="a", machine={"usable_cores": 2})
    candidate = session((2.0, 2.02, 2.04), sweep="b", machine={"usable_cores": 4})

    with pytest.raises(InputError, match=r"usable cores 2, 4.*--allow-mismatch"):
        stored.compare(base, candidate)
    (row,) = stored.compare(base, candidate, allow_mismatch=True)
    assert (row.verdict.word, row.verdict.reason) == ("n/a", "no verdict: usable cores 2, 4")
    assert row.ratio() == pytest.approx(2)
    assert stored.exit_code([row]) == 3


def test_compare_takes_other_code(session):
    """The code is what is compared: no reason to refuse."""
    candidate = session((2.0, 2.01, 2.02), sweep="b", code={"digest": "e2e2e2e2e2e2", "commit": 40 * "1"})

    assert words(session((1.0, 1.01, 1.02), sweep="a"), candidate) == ["slower"]


def test_compare_asks_only_partners_to_match(session):
    """What differs in a cell that is left out anyway is no reason to refuse the others."""
    base = session((1.0, 1.01, 1.02), sweep="a")
    other = session((1.0,), sweep="a", machine={"usable_cores": 9}, cells=[{"model": "convnet"}])

    assert words(base + other, session((2.0, 2.01, 2.02), sweep="b"))[0] == "slower"


def test_compare_names_cells_of_one_side(session):
    """A cell that one side lacks has a row without figures that says which side."""
    base = session((1.0,), sweep="a", cells=[{}, {"model": "convnet"}])
    rows = stored.compare(base, session((2.0,), sweep="b", cells=[{}, {"model": "squeezenet"}]))

    assert [(row.cell.model, row.verdict.word, row.verdict.reason) for row in rows[1:]] == [
        ("convnet", "n/a", "candidate lacks it"),
        ("squeezenet", "n/a", "base lacks it"),
    ]


def test_compare_says_how_a_cell_failed(measured, session):
    """A cell that failed on a side says how, and alone it is nothing to compare."""
    rows = stored.compare(session((1.0,)), [measured(status="oom", reason="killed")])

    assert [(row.verdict.word, row.verdict.reason, row.ratio()) for row in rows] == [
        ("n/a", "candidate oom: killed", None)
    ]
    assert stored.exit_code(rows) == 3


def test_compare_pairs_precisions(session):
    """All of base in float32 and all of candidate in bfloat16 are compared, and the row says over what."""
    base = session((1.0, 1.01, 1.02), sweep="a", cells=[{}, {"model": "convnet"}])
    half = [{"precision": "mixed_bfloat16"}, {"precision": "mixed_bfloat16", "model": "convnet"}]
    rows = stored.compare(base, session((0.4, 0.41, 0.42), sweep="a", cells=half))

    assert [row.verdict.word for row in rows] == ["faster", "faster"]
    assert rows[0].over == "precision float32, mixed_bfloat16"


def test_compare_takes_images_where_batches_differ(session):
    """Where the batch size differs, the time of an image is compared, not that of a step."""
    rows = stored.compare(session((1.0,), sweep="a"), session((2.0,), sweep="a", cells=[{"batch_size": 64}]))

    assert (rows[0].per, rows[0].ratio()) == ("image", pytest.approx(1))
    assert rows[0].seconds["wall"][0] == 1 / 32


@pytest.mark.parametrize("min_effect", [0, 1, -0.1])
def test_compare_refuses_an_effect_that_is_no_share(session, min_effect):
    """An effect of nothing or of everything is refused."""
    with pytest.raises(InputError, match="`min_effect` must be a share between 0 and 1"):
        stored.compare(session((1.0,)), session((1.0,)), min_effect=min_effect)


def test_row_to_json_is_flat(session):
    """A row is one JSON object that names its cell."""
    (row,) = stored.compare(session((1.0, 1.01, 1.02), sweep="a"), session((2.0, 2.02, 2.04), sweep="b"))
    values = json.loads(json.dumps(row.to_json(), allow_nan=False))

    assert values["cell_id"] == "dense-train-resident-192-b32-cpu-float32-tensorflow"
    assert (values["verdict"], values["base_processes"], values["cell"]["model"]) == ("slower", 3, "dense")
    assert values["low"] < values["ratio"] < values["high"]
    assert values["cpu_ratio"] == pytest.approx(2)


def test_load_takes_a_file_or_a_store(measured, tmp_path):
    """A set is a file or a folder: both give what was appended."""
    path = store.append(measured(), tmp_path)

    assert stored.load(path) == stored.load(tmp_path) == [measured()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no .*: give a .jsonl file"),
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("nonsense\n{}\n\xff", "3 damaged lines, the first: set.jsonl:1"),
    ],
)
def test_load_refuses_what_holds_nothing(tmp_path, text, message):
    """A file that is missing, empty or no set is refused by what is wrong with it."""
    path = tmp_path / "set.jsonl"
    if text is not None:
        path.write_text(text, encoding="latin-1")

    with pytest.raises(InputError, match=message):
        stored.load(path)


def test_load_refuses_an_empty_store(tmp_path):
    """A folder without measurements is no set."""
    with pytest.raises(InputError, match=r"it is empty.*measurements/\*\.jsonl of the folder"):
        stored.load(tmp_path)


def test_load_refuses_a_newer_format(measured, tmp_path):
    """A set of which a newer program wrote any line is refused whole: half of it would mislead."""
    path = store.append(measured(), tmp_path)
    path.write_text(path.read_text() + json.dumps({**measured().to_json(), "format": 99}) + "\n")

    with pytest.raises(InputError, match=r"written by a newer program, update this one.*format 99"):
        stored.load(path)
