"""Waits until the device is done: a step that is merely queued has not been measured."""


def wait(outputs):
    """Blocks until `outputs` and all work queued before them are computed, and gives them back.

    Args:
        outputs: What a step returned: tensors or arrays of the active Keras backend, in any nesting.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.block_until_ready(outputs)
    import tensorflow as tf

    # Reading the loss alone would not wait for the update of the weights behind it.
    tf.test.experimental.sync_devices()
    return outputs
