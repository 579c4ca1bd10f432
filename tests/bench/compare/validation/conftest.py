"""Made-up pair results, as if recorded, for tests of the validation."""

import random

import pytest

from bench.compare.pair_result import PairResult, Sample

CODE = {"cell": {"model": "dense"}, "digest": "d1", "environment": {}, "commit": "c" * 40}


@pytest.fixture(scope="session")
def recorded():
    """Makes up pair results of one injection in one cell: `recorded(60, wall=1.05, cpu=1.05)`.

    `processes` and `blocks` are the standard deviations of what differs from process to process and from block to
    block; the CPU clock has a third of the former.
    """

    def samples(dice, slower, processes, blocks):
        wall, cpu = slower[0] * (1 + dice.gauss(0, processes)), slower[1] * (1 + dice.gauss(0, processes / 3))
        return tuple(
            Sample(4, 0.4 * wall * (1 + dice.gauss(0, blocks)), 0.6 * cpu * (1 + dice.gauss(0, blocks)), 0)
            for _ in range(8)
        )

    def record(count, *, wall=1.0, cpu=1.0, processes=0.01, blocks=0.005, seed=1, injection=("none", 0.0), **changes):
        dice = random.Random(f"{seed} {injection}")
        comparison = changes.get("comparison", "validation-1")
        pairs = []
        for number in range(count):
            given = {
                "comparison": comparison,
                "pair": f"{comparison} {number}",
                "cell": "dense-train",
                "base": CODE,
                "candidate": CODE,
                "injection": {"kind": injection[0], "share": injection[1]},
                "base_samples": samples(dice, (1.0, 1.0), processes, blocks),
                "candidate_samples": samples(dice, (wall, cpu), processes, blocks),
                "started": "2026-11-24T15:00:00.000+00:00",
                "seconds": 12.0,
                "foreign_cpu_share": 0.01,
                "machine": {"id": "m1", "cpu": "made up", "usable_cores": 2, "memory_bytes": 2**34},
            }
            pairs.append(PairResult(**{**given, **changes}))
        return pairs

    return record
