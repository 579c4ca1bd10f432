"""What is shown while something runs where there is no terminal."""

from flowers_core import progress


def test_bar_says_each_minute_what_is_left(capsys):
    """One line a minute in a log, beside the bar at the end; none after the last."""
    clock = iter([0.0, 10.0, 61.0, 90.0, 125.0, 190.0])
    with progress.bar("groups [1]", 5, now=lambda: next(clock)) as advance:
        for _ in range(5):
            advance()

    said = [line for line in capsys.readouterr().err.splitlines() if "to go" in line]
    assert said == ["groups [1]: 2 of 5, about 2 min to go", "groups [1]: 4 of 5, about 1 min to go"]


def test_bar_of_seconds_says_nothing_before_its_end(capsys):
    """As most do."""
    assert list(progress.track("abc", "letters", 3)) == ["a", "b", "c"]
    assert "to go" not in capsys.readouterr().err
