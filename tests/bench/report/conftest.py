"""What tests of the page share: a made-up comparison with its verdicts."""

import pytest

from bench.compare.comparison_result import CellVerdict, Comparison
from bench.compare.sequential_test import Verdict, estimate


@pytest.fixture(scope="session")
def compared():
    """Makes a comparison of main and HEAD: `compared(dense="slower", convnet="same")`; each about 5 % slower."""

    def make(*, started="2026-11-24T10:00:00+00:00", **words: str) -> Comparison:
        found = estimate([0.05, 0.051, 0.049, 0.05])
        return Comparison(
            comparison="20261124T120000Z",
            title="main v HEAD",
            base={"name": "main", "commit": "c0ffee00" * 5, "subject": "Base"},
            candidate={"name": "HEAD", "commit": "deadbeef" * 5, "subject": "<b>Candidate</b>"},
            rule={},
            cells=tuple(
                CellVerdict(
                    cell=cell,
                    verdict=Verdict(word=word, clock="wall", pairs=4, estimates={"wall": found}),
                    step_seconds={"wall": (0.1, 0.105)},
                )
                for cell, word in words.items()
            ),
            started=started,
            machine={"host": "lab", "cpu": "Test CPU"},
        )

    return make
