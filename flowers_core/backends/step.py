"""One training step and one prediction as callables, exactly as Keras' `fit` and `predict` run them.

Keras compiles a function that draws a batch from an iterator and updates the model. It is called here without
the callbacks, the progress bar and the epoch loop of `fit`, which cost 1 ms a step of their own. Nothing waits
for the device: what is queued is measured only after `bench.run.sync.wait`.

On JAX the weights move into the step, which hands their memory from call to call as `fit` does within an epoch: the
model's own variables are spent.
"""

from collections.abc import Callable, Iterable, Iterator

import keras


def train(model: keras.Model, batches: Iterable) -> Callable[[], dict]:
    """A function that trains on the next batch.

    Args:
        model: Compiled.
        batches: Pairs of images, shape `(batch, size, size, 3)`, and int64 labels, shape `(batch,)`, for as many
            steps as will be called. A `tf.data.Dataset`, or, on JAX, a generator.

    Returns:
        A function of nothing that gives the logs: the running loss and metrics as scalars of the backend.
    """
    return _train_with_jax(model, batches) if _on_jax() else _train_with_tensorflow(model, batches)


def predict(model: keras.Model, batches: Iterable) -> Callable[[], object]:
    """A function that predicts the next batch and gives class probabilities, float32 `(batch, classes)`.

    Args:
        model: Built; it need not be compiled to train, but `jit_compile` is taken from its compilation.
        batches: As for `train`; labels are ignored.
    """
    return _predict_with_jax(model, batches) if _on_jax() else _predict_with_tensorflow(model, batches)


def _on_jax() -> bool:
    return keras.backend.backend() == "jax"


def _distributed(model: keras.Model, batches):
    """An iterator that gives each replica its share of the global batch."""
    return iter(model.distribute_strategy.experimental_distribute_dataset(batches))


def _train_with_tensorflow(model: keras.Model, batches) -> Callable[[], dict]:
    iterator = _distributed(model, batches)
    model.make_train_function()
    return lambda: model.train_function(iterator)


def _predict_with_tensorflow(model: keras.Model, batches) -> Callable[[], object]:
    iterator = _distributed(model, batches)
    model.make_predict_function()
    return lambda: model.predict_function([next(iterator)])


def _fed_to_jax(batches) -> Iterator:
    """Batches as `fit` hands them over: each device its share; on an accelerator one batch ahead of the step."""
    from keras.src.backend.jax.trainer import JAXEpochIterator  # not public: this is what `fit` itself draws from

    return iter(JAXEpochIterator(x=batches, steps_per_execution=1)._get_iterator())


def _values(variables) -> list:
    return [variable.value for variable in variables]


def _train_with_jax(model: keras.Model, batches: Iterable) -> Callable[[], dict]:
    iterator = _fed_to_jax(batches)
    # Optimizer slots and metrics must exist before their values can be handed over; `fit` does the same.
    model._symbolic_build(data_batch=next(iterator))
    model.make_train_function()
    state = tuple(
        _values(variables)
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
    )

    def step() -> dict:
        nonlocal state  # the compiled step takes its old state's memory: what it gives back must be kept
        logs, state = model.train_function(state, iterator)
        return logs

    return step


def _predict_with_jax(model: keras.Model, batches: Iterable) -> Callable[[], object]:
    iterator = _fed_to_jax(batches)
    model.make_predict_function()
    state = (_values(model.trainable_variables), _values(model.non_trainable_variables))

    def step():
        nonlocal state
        outputs, state = model.predict_function(state, iterator)
        return outputs

    return step
