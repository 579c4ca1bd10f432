"""Who races."""

import pytest

from bench.input.loaders import registry
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES


def test_every_pipeline_of_a_first_epoch_races():
    """A new one does so without another line; caches, which only later epochs use, do not."""
    ours = {lane.name for lane in registry.LANES if lane.side == "ours"}
    assert ours == {name for name, pipeline in PIPELINES.items() if not pipeline.cached}


def test_ids_are_different_and_each_job_has_its_limit():
    """A lane is found by its id."""
    ids = [lane.id for lane in registry.LANES]
    assert len(set(ids)) == len(ids)
    assert all(registry.named(f"{job}/{limit}").side == "limit" for job, limit in registry.LIMITS.items())


def test_words_choose():
    """The limits stay, for shares of them."""
    found = registry.chosen(("records",), ("GRAIN",))
    assert {lane.name for lane in found if lane.side != "limit"} == {"grain"}
    assert {lane.job for lane in found} == {"records"}
    with pytest.raises(InputError, match=r"photos_turbo.*'?nobody"):
        registry.chosen((), ("nobody",))


def test_ingredients_race_alone():
    """Beside the limits, without loaders."""
    assert {lane.side for lane in registry.chosen(ingredients=True)} == {"limit", "ingredient"}
    assert {lane.side for lane in registry.chosen()} == {"limit", "ours", "peer"}
