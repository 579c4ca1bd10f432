"""How long a model trains, from nothing, until it is as accurate as it should become on these photos."""

import random

from bench import suite
from bench.run import data_source
from bench.training import outcome, run


class TimeToAccuracy:
    """Seconds from the start of a training to its target; each round has a seed of its own."""

    timeout = 3600
    version = suite.VERSION
    params = [["squeezenet_small"]]
    param_names = ["model"]

    def setup(self, model: str) -> None:  # noqa: ARG002 - asv hands over the parameters
        """Refuses what would be filed wrongly, and says n/a where there are no records."""
        suite.refuse_false_names()
        if not data_source.find().records:
            raise NotImplementedError("no records to read: run `make bench` first, or set FLOWERS_RECORDS")

    @suite.series
    def track_target_seconds(self, model: str) -> suite.Sample:
        """Building, compilation, validation and saving included; n/a if the target is never reached."""
        from bench.results import store

        job = run.Job(model=model, variant="ours", seed=random.randrange(2**31), records=data_source.find().records)
        done = run.train(job, timeout=self.timeout)
        store.append(suite.marked(done))
        if done.status != "ok":
            raise RuntimeError(f"{done.status}: {done.reason}")
        reached = outcome.first_reaching(done, outcome.target_of(done))
        return suite.sample(reached["elapsed_seconds"] if reached else None)
