"""Published step times are data with their source."""

from bench.input.stall import published
from flowers_core import models


def test_every_row_is_a_model_of_the_house_and_says_where_it_is_from():
    """Nothing is taken for measured here, and a TPU v2-8 and a v3-8 are among them."""
    assert {one.origin for one in published.CONSUMERS} == {"published"}
    assert {"TPU v2-8", "TPU v3-8"} <= {one.accelerator for one in published.CONSUMERS}
    assert all(one.model in models.MODELS and "20" in one.source for one in published.CONSUMERS)
    assert all(one.image_size == models.image_size(one.model) for one in published.CONSUMERS)


def test_rates_are_those_of_the_notebooks():
    """128 images in 110 ms are 1,160 a second."""
    assert round(published.CONSUMERS[0].images_per_second, -1) == 1160
