"""Compile: the loss, optimizer and metric with which the codelab trains, with XLA always on or off by name."""

import keras


def compile_model(model: keras.Model, *, xla: bool, optimizer: str | keras.Optimizer = "adam") -> keras.Model:
    """Compiles for integer labels, and gives the model back.

    The codelab's one-hot labels with `categorical_crossentropy` are the same loss written out.

    Args:
        model: Ends in a softmax over the classes.
        xla: Whether XLA compiles the step. Keras' own "auto" would decide by the devices it happens to see.
        optimizer: Adam with its defaults, as in the codelab, unless given.
    """
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=xla)
    return model
