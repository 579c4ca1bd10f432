"""Which loaders are compared."""

from importlib import import_module

import pytest

from bench.input.loaders import registry
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES


def test_loaders_hold_every_pipeline_of_a_first_epoch():
    """A new pipeline joins without another line; caches, which only later epochs use, do not."""
    ours = {loader.name for loader in registry.LOADERS.values() if loader.kind == "pipeline" and not loader.decode}
    assert ours == {name for name, pipeline in PIPELINES.items() if not pipeline.cached}


def test_scaled_loaders_are_compared_only_where_asked_for():
    """They deliver other pixels, each beside the one that it is a variant of; ours in both ways."""
    asked = {loader.id: loader for loader in registry.select(("photos",), ("photos_turbo", "PIL"), scaled=True)}
    assert {loader_id for loader_id, loader in asked.items() if loader.decode} == {
        "photos/photos_turbo, scaled", "photos/photos_turbo, smallest", "photos/torch, PIL, smallest",
        "photos/decode and resize, scaled", "photos/decode and resize, smallest",
    }  # fmt: skip
    assert asked["photos/torch, PIL, smallest"].whole == "photos/torch, PIL"
    assert {loader.id for loader in asked.values() if not loader.decode} == {
        loader.id for loader in registry.select(("photos",), ("photos_turbo", "PIL"))
    }


def test_a_curve_has_no_pipeline_that_chooses_its_own_number_of_workers():
    """Of our pipelines those of decode workers are left, beside ceilings and other libraries."""
    asked = registry.select(("records",), workers=True)
    assert [loader.name for loader in asked if loader.kind == "pipeline"] == ["records_turbo"]
    assert {loader.kind for loader in asked} == set(registry.KINDS)


def test_each_loader_has_its_function():
    """A row names a function that is there, whether its library is installed or not."""
    for loader in registry.LOADERS.values():
        assert callable(getattr(import_module(f"bench.input.loaders.{loader.module}"), loader.function))


def test_each_job_has_its_ceiling():
    """Every loader of a job is compared with one of its own."""
    for job, loader_id in registry.CEILINGS.items():
        loader = registry.LOADERS[loader_id]
        assert (loader.kind, loader.job) == ("ceiling", job)


def test_select_keeps_the_ceilings():
    """A loader is found by part of its name, whatever the case; the ceilings stay, for shares of them."""
    selected = registry.select(("records",), ("GRAIN",))
    assert {loader.name for loader in selected if loader.kind != "ceiling"} == {"grain"}
    assert {loader.job for loader in selected} == {"records"}
    with pytest.raises(InputError, match=r"photos_turbo.*'?nobody"):
        registry.select((), ("nobody",))
