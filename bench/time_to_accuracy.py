"""How long a model trains, from nothing, until it is as accurate as it should become on these photos."""

import random

from bench import suite
from bench.run import data_source
from bench.training import outcome, run


class TimeToAccuracy:
    """Seconds from the start of a training to its target, where it stops; each round has a seed of its own.

    Minutes a commit: no profile has it, only who asks for it by name.
    """

    timeout = 3600
    version = suite.VERSION
    params = [["squeezenet_small"]]
    param_names = ["model"]

    def setup(self, model: str) -> None:
        """Refuses what would be filed wrongly, and says n/a where there are no records or no target."""
        suite.refuse_false_names()
        if not data_source.find().records:
            raise NotImplementedError("no records to read: run `make bench` first, or set FLOWERS_RECORDS")
        photos, target = self._target(model)
        if target is None:
            raise NotImplementedError(f"no accuracy is known that {model} should reach on `{photos}`")

    def _target(self, model: str) -> tuple[str, float | None]:
        """Name of the photos behind the records, and the accuracy to be reached on them."""
        photos = data_source.find().describe("records")["photos"]
        return photos, outcome.target_on(photos, model)

    @suite.series("Time to accuracy")
    def track_target_seconds(self, model: str) -> suite.Sample:
        """Building, compilation, validation and saving included; n/a if the target is never reached."""
        from bench.results import store

        source, target = data_source.find(), self._target(model)[1]
        job = run.Job(model=model, variant="ours", seed=random.randrange(2**31), source=source, target=target)
        done = run.train(job, timeout=self.timeout)
        store.append(suite.mark(done))
        if done.status != "ok":
            raise RuntimeError(f"{done.status}: {done.reason}")
        reached = outcome.first_reaching(done, target)
        return suite.sample(reached["elapsed_seconds"] if reached else None)
