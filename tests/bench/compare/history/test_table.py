"""A history as tables, Markdown and plain values."""

import json
from dataclasses import replace

import pytest

from bench.compare.history import table
from bench.compare.history.asv_series import Point, Series
from bench.compare.history.change_points import Candidate, TooShort
from bench.compare.history.regressions import Change, History
from bench.compare.sequential_test import Estimate, Verdict

SUBJECTS = {f"{number:x}" * 40: f"commit {number}" for number in range(12)}
COMMITS = list(SUBJECTS)
CULPRIT = COMMITS[7]


def make(*params, count=12):
    points = tuple(Point(commit=commit, value_seconds=0.2, low=0.19, high=0.21) for commit in COMMITS[:count])
    return Series(
        benchmark="step_time.StepTime.track_step_seconds",
        params=params,
        machine="lab",
        environment="virtualenv-py3.11-uv",
        points=points,
    )


def slower(ratio, *, high=1.3):
    """The verdict of a paired run."""
    estimate = Estimate(ratio=ratio, low=1.09, high=high, deviation=0.01, p=1e-6, inner=(1.09, high))
    return Verdict(word="slower", clock="wall", pairs=4, estimates={"wall": estimate})


@pytest.fixture
def confirmed():
    """One confirmed slowdown, one series without a step, one too short."""
    slow, still, short = make("squeezenet", 32), make("dense", 32), make("mobilenetv2", 32, count=3)
    paired = slower(1.098, high=1.11)
    change = Change(
        candidate=Candidate(series=slow, before=COMMITS[6], after=CULPRIT, ratio=1.1034, p=1e-6),
        state="confirmed",
        commit=CULPRIT,
        within=(COMMITS[6], CULPRIT),
        paired=paired,
        named=paired,
    )
    too_short = TooShort(series=short, reason="3 commits measured: a step shows from 6")
    return History(commits=SUBJECTS, series=(slow, still, short), changes=(change,), too_short=(too_short,))


def test_tables_have_a_row_for_each_series(confirmed):
    """A step has a row with ratio, state and commit; a series without one, and one too short, have theirs."""
    (drawing,) = table.tables(confirmed)

    assert drawing.texts() == [
        ["squeezenet, 32", "66666666..77777777", "1.103", "confirmed", "77777777", "1.098"],
        ["dense, 32", "00000000..bbbbbbbb", "", "no change", "", ""],
        ["mobilenetv2, 32", "00000000..22222222", "", "n/a", "", ""],
    ]
    assert "77777777 commit 7 (squeezenet, 32)" in drawing.notes
    assert "n/a: 3 commits measured: a step shows from 6 (mobilenetv2, 32)" in drawing.notes


def test_tables_fit_80_columns(confirmed, terminal):
    """On a terminal of 80 columns no line is longer, and no hash or state is cut."""
    pipelines = replace(confirmed.series[1], benchmark="input.Input.track_image_seconds", params=("photos_one_by_one",))
    shown = table.tables(replace(confirmed, series=(*confirmed.series, pipelines)))
    lines = terminal(*shown).splitlines()

    assert any("66666666..77777777" in line and "confirmed" in line and "1.098" in line for line in lines)
    assert any("photos_one_by_one" in line and "no change" in line for line in lines)


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        (
            {"state": "rejected", "commit": None, "reason": "the paired run found no difference"},
            "rejected: the paired run found no difference (squeezenet, 32)",
        ),
        (
            {"commit": None, "within": (COMMITS[3], COMMITS[9]), "reason": "one of 6 commits: inconclusive"},
            "confirmed: one of 6 commits: inconclusive, in 33333333..99999999 (squeezenet, 32)",
        ),
        (
            {"paired": slower(1.21)},
            "77777777..bbbbbbbb changed it further, to 1.210 in all: compare these two (squeezenet, 32)",
        ),
    ],
    ids=["rejected", "open", "two"],
)
def test_tables_note_what_stays_open(confirmed, changed, note):
    """Why a step was rejected, which range is known, and that a second commit slowed it down are notes."""
    (change,) = confirmed.changes
    wide = replace(change.candidate, before=COMMITS[2], after=COMMITS[11])
    (drawing,) = table.tables(replace(confirmed, changes=(replace(change, candidate=wide, **changed),)))

    assert note in drawing.notes


def test_markdown_has_rows_and_notes(confirmed):
    """The table for a pull request names the commit."""
    text = table.markdown(confirmed)

    assert "| squeezenet, 32 | 66666666..77777777 | 1.103 | confirmed | 77777777 | 1.098 |" in text
    assert "- 77777777 commit 7 (squeezenet, 32)" in text


def test_plain_is_tidy(confirmed):
    """Series, points and changes are flat rows, joined by the id of the series, and fit into JSON."""
    plain = json.loads(json.dumps(table.plain(confirmed), allow_nan=False))
    ids = {series["id"] for series in plain["series"]}

    assert len(ids) == 3
    assert len(plain["points"]) == 12 + 12 + 3
    assert {point["series"] for point in plain["points"]} == ids
    assert plain["points"][7] == {
        "series": confirmed.series[0].id, "commit": CULPRIT, "value_seconds": 0.2, "low": 0.19, "high": 0.21,
        "position": 7, "subject": "commit 7",
    }  # fmt: skip
    (change,) = plain["changes"]
    assert (change["state"], change["commit"], change["subject"]) == ("confirmed", CULPRIT, "commit 7")
    assert (change["ratio"], change["paired_ratio"], change["named_high"]) == (1.1034, 1.098, 1.11)


def test_tables_leave_columns_of_a_candidate_empty(confirmed):
    """Before the paired run its columns are empty."""
    (change,) = confirmed.changes
    candidate = Change(candidate=change.candidate)
    (drawing,) = table.tables(replace(confirmed, changes=(candidate,)))
    (row,) = table.plain(replace(confirmed, changes=(candidate,)))["changes"]

    assert drawing.rows[0][3:] == ("candidate", "", "")
    assert (row["paired_ratio"], row["commit"], row["subject"]) == (None, None, None)
