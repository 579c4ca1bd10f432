"""The limit with one thing done otherwise."""

import pytest

from bench.input.loaders import ingredients, registry


@pytest.mark.parametrize(
    "lane", [lane for lane in registry.LANES if lane.side == "ingredient"], ids=lambda lane: lane.id
)
def test_each_makes_a_batch(lane, synthetic_photos):
    """None of those that are listed is unknown to the room, and a photo passes through it."""
    jpeg = next(synthetic_photos.glob("*/*.jpg")).read_bytes()
    ingredients._batch_maker(lane.way, 24)([jpeg, jpeg])


def test_scaling_all_gives_the_same_pixels(synthetic_photos):
    """What is cut first loses nothing but a rounding at its border."""
    import numpy as np
    import simplejpeg

    from flowers_core.input import fast_decode

    jpeg = next(synthetic_photos.glob("*/*.jpg")).read_bytes()
    whole = ingredients._scaled_whole(simplejpeg.decode_jpeg(jpeg, fastdct=True), 96)
    ours = fast_decode.BatchDecoder(96).decode_photos([jpeg])[0]
    assert np.abs(whole[2:-2, 2:-2].astype(int) - ours[2:-2, 2:-2]).max() <= 1
