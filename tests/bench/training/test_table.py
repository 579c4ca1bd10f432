"""The tables of time to accuracy."""

from dataclasses import replace

import pytest

from bench.training import table
from bench.training.outcome import summarize


@pytest.fixture
def outcomes(trained):
    return summarize(
        [
            trained("squeezenet", "ours", seed=1, epoch=1.0),
            trained("squeezenet", "plain", seed=1, epoch=2.5, foreign_cpu_share=0.4),
            trained("convnet_gap", "ours", accuracies=(0.3, 0.5)),
            trained("dense", "ours", status="crash", reason="exit code 1; it said: [boom]", history=()),
        ]
    )


def test_target_is_reached_or_na_with_the_best(outcomes):
    """Seconds and images where it was reached, the best value where not, n/a where there is none."""
    rows = {tuple(row[:2]): row for row in table.tables(outcomes)[0].texts()}

    assert rows["squeezenet", "ours"][-1] == "0.8: 7.00 s, 300 images"
    assert rows["convnet_gap", "ours"][-1] == "0.704: n/a, best 0.500"
    assert rows["dense", "ours"][-3:] == ["n/a", "n/a", "n/a"]


def test_notes_say_what_a_reader_needs(outcomes):
    """How much faster, what failed, how busy the machine was."""
    text = "\n".join(table.notes(outcomes))

    assert "2.50 times as fast" in text
    assert "mean accuracy" not in text
    assert "dense ours: crash: exit code 1; it said: [boom]" in text
    assert "during 1 trainings others used more than 10%" in text


def test_mean_over_seeds_is_noted(trained):
    """Of those models that were trained more than once."""
    outcomes = summarize([trained("dense", seed=seed, accuracies=(0.2, 0.5 + seed / 10)) for seed in (1, 2)])

    assert f"mean accuracy over seeds: dense ours 0.650 ({outcomes[0].epochs} epochs)" in table.notes(outcomes)


def test_notes_say_how_large_images_were(trained):
    """Where it is known: accuracy depends on it."""
    training = trained("xception")
    large = replace(training, settings={**training.settings, "image_size": 331})

    assert "of 331 px an epoch in batches of 10" in "\n".join(table.notes(summarize([large])))


def test_markdown_names_machine_and_command(outcomes):
    """Whoever reads the table knows where it comes from and how to make it again."""
    text = table.markdown(outcomes)

    assert (
        "100 images an epoch in batches of 10 by tensorflow, float32; Test CPU, 2 cores; 0 GiB; keras 3.15.1; "
        "commit c0ffee00; 2026-11-24" in text
    )
    assert (
        "python -m bench accuracy --model squeezenet --model convnet_gap --model dense --variant ours --variant plain"
        in text
    )
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {8, 9}


def test_failures_alone_are_a_table(trained):
    """Then it holds the reasons."""
    outcomes = summarize([trained(status="oom", reason="killed", history=())])

    assert "dense ours: oom: killed" in table.markdown(outcomes)


def test_tables_fit_80_columns(outcomes, terminal):
    """80 columns hold them."""
    assert "convnet_gap" in terminal(*table.tables(outcomes))


def test_plain_leaves_out_trainings(outcomes):
    """Without the trainings themselves."""
    rows = table.plain(outcomes)

    assert rows[0]["accuracy"] == {"value": 0.8, "low": 0.8, "high": 0.8}
    assert "trainings" not in rows[0]


def test_cost_is_a_table_where_it_is_known(trained, outcomes, terminal):
    """In the price's currency, with why the energy is unknown; without a price or energy there is no such table."""
    price = {"amount": 3.6, "currency": "USD"}
    runs = [
        trained("squeezenet", seed=1, price=price, process_seconds=20.0, energy={"reason": "no counters"}),
        trained("squeezenet", "plain", price=price, process_seconds=30.0, energy={"joules": 2500.0}),
    ]
    _, cost, _ = found = table.tables(summarize(runs))

    assert [row[4:] for row in cost.texts()] == [
        ["3.6 USD/h", "0.020", "0.009", "n/a"], ["3.6 USD/h", "0.030", "0.009", "2.50"]
    ]  # fmt: skip
    assert "kJ n/a: no counters" in cost.notes
    assert "fewer than 5 seeds of a quick model: squeezenet ours, squeezenet plain; `--seeds 5`" in table.notes(
        summarize(runs)
    )
    assert "Cost" in terminal(*found)
    assert len(table.tables(outcomes)) == 2
