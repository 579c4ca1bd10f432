"""Made-up units, as if recorded, for tests of the proof."""

import random

import pytest

from bench.compare.pair_result import PairResult, Sample


@pytest.fixture(scope="session")
def recorded():
    """Makes up units of one plant in one cell, as if recorded: `recorded(60, wall=1.05, cpu=1.05)`.

    `processes` and `turns` are the standard deviations of what differs from process to process and from turn to turn;
    the CPU clock has a third of the former.
    """

    def record(
        count,
        *,
        wall=1.0,
        cpu=1.0,
        processes=0.01,
        turns=0.005,
        seed=1,
        comparison="proof-1",
        plant=("none", 0.0),
        **more,
    ):
        dice = random.Random(f"{seed} {plant}")
        units = []
        for number in range(count):
            sides = []
            for slower in ((1.0, 1.0), (wall, cpu)):
                own = slower[0] * (1 + dice.gauss(0, processes)), slower[1] * (1 + dice.gauss(0, processes / 3))
                sides.append(
                    tuple(
                        Sample(
                            4, 0.4 * own[0] * (1 + dice.gauss(0, turns)), 0.6 * own[1] * (1 + dice.gauss(0, turns)), 0
                        )
                        for _ in range(8)
                    )
                )
            facts = {"cell": {"model": "dense"}, "digest": "d1", "environment": {}, "commit": "c" * 40}
            units.append(
                PairResult(
                    **{
                        "comparison": comparison,
                        "pair": f"{comparison} {number}",
                        "cell": "dense-train",
                        "base": facts,
                        "candidate": facts,
                        "plant": {"kind": plant[0], "share": plant[1]},
                        "base_samples": sides[0],
                        "candidate_samples": sides[1],
                        "started": "2026-11-24T15:00:00.000+00:00",
                        "seconds": 12.0,
                        "foreign_cpu_share": 0.01,
                        "machine": {"id": "m1", "cpu": "made up", "usable_cores": 2, "memory_bytes": 2**34},
                        **more,
                    }
                )
            )
        return units

    return record
