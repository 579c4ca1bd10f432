"""Step times that the codelab's notebooks print, of the accelerators that they ran on: published, not measured here.

Keras prints milliseconds a step with waiting for input and validation in them: the accelerator itself may be faster,
and eat more.
"""

from bench.input.stall.emulate import Consumer

SOURCE = "stored output of the codelab's notebooks"

# model, batch size, image size, milliseconds a step, accelerator, notebook. Google's Colab lent v2-8 in 2021.
_ROWS = (
    ("convnet_gap", 128, 192, 110, "TPU v2-8", "07_solution, Colab, 2021-09"),
    ("squeezenet", 128, 192, 170, "TPU v2-8", "07_squeezenet, Colab, 2021-09"),
    ("xception", 128, 331, 350, "TPU v2-8", "07_xception_fine_tuned_best, Colab, 2021-09"),
    ("convnet_gap", 128, 192, 64, "TPU, 8 cores", "07_solution, 2020-06; version not named"),
    ("squeezenet", 128, 192, 115, "TPU, 8 cores", "07_squeezenet, 2020-06; version not named"),
    ("squeezenet_331", 256, 331, 438, "TPU v3-8", "07_squeezenet at 331 px, 2020-06"),
    ("xception", 128, 331, 181, "TPU v3-8", "07_xception_fine_tuned_best, 2020-06"),
)

CONSUMERS = tuple(
    Consumer(
        accelerator=accelerator,
        model=model,
        batch_size=batch_size,
        image_size=image_size,
        step_seconds=(milliseconds / 1000,),
        origin="published",
        source=f"{SOURCE}: {notebook}",
    )
    for model, batch_size, image_size, milliseconds, accelerator, notebook in _ROWS
)
