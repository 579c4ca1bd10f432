"""Keras' steps on torch as one graph each, which `torch.compile` then compiles whole.

Keras' own `jit_compile` hands torch the Python of every layer; it gives up within the first of them, and compiles a
fragment here and there: on a CPU such a step is slower than one that is not compiled. Here that Python runs once, on
tensors that have shapes and no numbers, as XLA traces a step on JAX. What it does is recorded as one graph from the
pixels to the updated weights: forward, backward, optimizer and metrics. The maths is that of Keras' own step; that
they agree is tested. Only the loss is taken from logits, as on TensorFlow: on torch Keras takes it from probabilities
that it clips at 1e-7, so that it ends at 16, and what is more wrong than that has no gradient. Six things are
rewritten; but for the first, Inductor's code for them is slower than need be:

- a learning rate that Keras hands torch as a number is multiplied by: a number would stay that of the first step;
- batch normalisation in training and, on a CPU, the maximum of windows are operations of known gradient, written as
  passes over memory that Inductor fuses with their neighbours, see `flowers_core.backends.torch_layers`;
- kernels lie in memory as torch's products and convolutions would have them, so that no step turns them round;
- on a CPU other pooling and the gradients of convolutions are operations of ours that call torch's, and take and give
  images as Keras lays them, `(batch, rows, columns, channels)`. Inductor knows no layout but torch's; it would have
  memory turned round before and after them;
- on a CPU a scalar is computed once. Inductor computes it anew for each few of the numbers that it goes into, as for
  each 16 weights the powers by which Adam corrects its averages;
- on a CPU a convolution adds its bias and takes its ReLU itself, and one whose weights no step changes takes batch
  normalisation in, see `flowers_core.backends.torch_folding`.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import getitem
from typing import Any

import keras
import numpy as np
import torch
from keras import tree
from torch.fx.experimental.proxy_tensor import make_fx

from flowers_core.backends import loss_in_training, torch_layers, torch_operations
from flowers_core.backends.torch_folding import FoldedConvolutions

_Body = Callable[[Any, Sequence[torch.Tensor]], Any]

_MOST_SHAPES = 4  # of batches that are recorded, seconds each


def use(model: keras.Model) -> None:
    """Has `fit`, `evaluate` and `predict` of a model that is compiled run whole graphs.

    A step that its class has written anew stays what it is. The graph of the first batch's shape is compiled; that of
    another shape, as the last of an epoch may have, runs as it is.
    """
    for name, body in _BODIES.items():
        if getattr(type(model), f"{name}_step") is getattr(keras.Model, f"{name}_step"):
            setattr(model, f"make_{name}_function", partial(_make, model, name, body))


def parts(model: keras.Model, otherwise: Sequence[Callable[[Any], Any]]) -> list[Callable[[Any], Any]]:
    """The forward pass, and that with the gradients, as graphs of a batch each; `otherwise` does the same without."""
    forward = loss_in_training(model)

    def gradients(model: Any, batch: Any) -> list:
        return [found for found in _gradients(model, forward(batch)) if found is not None]

    bodies = (lambda _, batch: forward(batch), gradients)
    programs = [Program(model, body, plain, learns=True) for body, plain in zip(bodies, otherwise, strict=True)]
    return [lambda batch, program=program: program([batch]) for program in programs]


def _make(model: Any, name: str, body: _Body, force: bool = False) -> Callable:
    """What Keras calls for `train_function` and its like, which it takes back where a model is compiled again."""
    attribute, step, learns = f"{name}_function", getattr(model, f"{name}_step"), name == "train"
    if not model._should_torch_compile():  # since it was compiled again
        return getattr(type(model), f"make_{attribute}")(model, force)
    if force or getattr(model, attribute) is None:
        otherwise = step if learns else torch.no_grad()(step)
        setattr(model, attribute, Program(model, body, otherwise, learns=learns))
    return getattr(model, attribute)


@dataclass
class _Recording:
    """What a body does with batches of one shape.

    Attributes:
        variables: All that it reads or changes.
        program: Takes values of variables and the parts of a batch; gives a flat result.
        result: What a result looks like that is not flat.
        folded: The convolutions that have to follow the weights.
    """

    variables: Sequence[Any]
    program: Callable
    result: Any
    folded: FoldedConvolutions | None


class Program:
    """What is done with a batch, as one graph: of the first shape it is compiled, of few others it runs as recorded.

    Args:
        model: Compiled and built, its optimizer and metrics, too, by the time of the first call.
        body: Does it by Keras' own functions, given the model and the parts of a batch.
        otherwise: Does the same with what is not recorded.
        learns: Whether it is a training step or a part of one, so that trainable weights change between its calls.
    """

    def __init__(self, model: Any, body: _Body, otherwise: Callable[[Any], Any], *, learns: bool):
        self._model, self._body, self._otherwise, self._learns = model, body, otherwise, learns
        self._recordings: dict[tuple, _Recording] = {}
        self._is_recordable = True
        self._said: set[str] = set()

    def __call__(self, batches: Sequence[Any]) -> Any:
        """Does it with the one batch of a list, as Keras hands them over."""
        (batch,) = batches
        parts = _tensors(batch)
        kind = tuple(map(_kind, parts))
        if not all(kind):
            self._leave(f"a batch must be one of tensors, and is of {', '.join(type(part).__name__ for part in parts)}")
        elif kind not in self._recordings and self._is_recordable:
            if len(self._recordings) < _MOST_SHAPES:
                self._record(kind, parts)
            else:
                self._say(f"batches of more than {_MOST_SHAPES} shapes are not recorded: others run layer by layer")
        recording = self._recordings.get(kind)
        if recording is None:
            return self._otherwise(batch)
        values = _values(recording.variables)
        if recording.folded:
            recording.folded.follow(values)
        with torch.no_grad():
            return tree.pack_sequence_as(recording.result, recording.program(*values, *parts))

    def _record(self, kind: tuple, parts: Sequence[torch.Tensor]) -> None:
        model, variables = self._model, _lay_out(self._model)
        trainable = {id(variable) for variable in model.trainable_variables}
        learning = [id(variable) in trainable for variable in variables]
        values, results = _values(variables), []
        on_cpu = all(value.device.type == "cpu" for value in (*values, *parts))  # `fit` hands a GPU's model CPU batches
        try:
            with torch_layers.replace_layers(on_cpu=on_cpu):
                own = torch_operations.operations() if on_cpu else None
                graph = make_fx(partial(self._run, variables, learning, results), own, "fake")(*values, *parts)
        except (AssertionError, RuntimeError, TypeError) as error:  # Python asks for a number, or brings a tensor
            self._leave(str(error).partition("\n")[0])
            return
        finally:
            model._clear_losses()  # those that layers have added hold no numbers
        _multiply_by_rates(graph)
        if any(map(_is_unknown, graph.graph.nodes)):
            self._leave("what it does depends on numbers that it computes")
            return
        options: dict[str, Any] = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe}  # `__call__` looks itself
        folded = None
        if on_cpu:
            folded = FoldedConvolutions(graph, [not (self._learns and learns) for learns in learning])
            torch_operations.take_as_it_lies(graph.graph)
            _compute_scalars_once(graph)
            options["layout_optimization"] = False  # the order is Keras' already
        program = graph.forward
        if not self._recordings:
            program = torch.compile(program, fullgraph=True, options=options)
        self._recordings[kind] = _Recording(variables, program, results[-1], folded)

    def _leave(self, reason: str) -> None:
        """Has torch compile what of it it can, from now on."""
        if self._is_recordable:
            self._say(f"torch cannot record {self._model.name} as one graph, and compiles it in parts: {reason}")
            self._otherwise, self._is_recordable = torch.compile(self._otherwise), False

    def _say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            warnings.warn(sentence, stacklevel=2)

    def _run(
        self, variables: Sequence[Any], learning: Sequence[bool], results: list, *given: torch.Tensor
    ) -> list[torch.Tensor]:
        """What the body gives for a batch, flat, with values in the place of variables; their updates end in them."""
        values, parts = given[: len(variables)], given[len(variables) :]
        held = [value.detach().requires_grad_(learns) for value, learns in zip(values, learning, strict=True)]
        with keras.StatelessScope(zip(variables, held, strict=True), collect_losses=True) as scope:
            result = self._body(self._model, parts)
            updated: list[Any] = [scope.get_current_value(variable) for variable in variables]
        with torch.no_grad():
            for value, before, after in zip(values, held, updated, strict=True):
                if after is not before:
                    value.copy_(after)
        results.append(result)
        return [part.detach() for part in tree.flatten(result)]


def _tensors(batch: Any) -> tuple:
    """What a batch is made of: images, and labels and weights where they are given; see `train_on_batch` of Keras."""
    parts = list(batch) if isinstance(batch, tuple | list) else [batch]  # a list comes of a generator's tuple
    while parts and parts[-1] is None:
        parts.pop()
    return tuple(keras.ops.convert_to_tensor(part) if isinstance(part, np.ndarray) else part for part in parts)


def _lay_out(model: Any) -> list[Any]:
    """All variables of a model, its optimizer and metrics, each once, with kernels in the order of torch's products."""
    known = [*model.variables, *model.metrics_variables, *(model.optimizer.variables if model.optimizer else ())]
    variables = list({id(variable): variable for variable in known}.values())
    for variable in variables:
        variable.value.data = _as_multiplied(variable.value.data)
    return variables


def _values(variables: Sequence[Any]) -> list[torch.Tensor]:
    return [variable.value.detach() for variable in variables]


def _kind(part: Any) -> tuple:
    return (part.shape, part.dtype, part.device) if isinstance(part, torch.Tensor) else ()


def _predicted(model: Any, images: torch.Tensor, *, training: bool) -> Any:
    return model(images, training=training) if model._call_has_training_arg else model(images)


def _loss(model: Any, parts: Sequence[torch.Tensor], *, training: bool) -> tuple[Any, torch.Tensor]:
    """Predictions and their loss, of which the running mean is kept; see `train_step` of Keras' torch trainer."""
    images, labels, weights = (*parts, None)[:3]
    predicted = _predicted(model, images, training=training)
    loss = model._compute_loss(x=images, y=labels, y_pred=predicted, sample_weight=weights, training=training)
    model._loss_tracker.update_state(loss.detach(), sample_weight=len(images))
    return predicted, loss


def _metrics(model: Any, parts: Sequence[torch.Tensor], predicted: Any) -> dict:
    images, labels, weights = (*parts, None)[:3]
    return model.compute_metrics(images, labels, tree.map_structure(torch.Tensor.detach, predicted), weights)


def _gradients(model: Any, loss: torch.Tensor) -> list:
    """The gradients of a loss by the trainable weights, None for one that it does not depend on."""
    weights = [variable.value for variable in model.trainable_variables]
    return list(torch.autograd.grad(model.optimizer.scale_loss(loss), weights, allow_unused=True)) if weights else []


def _train(model: Any, parts: Sequence[torch.Tensor]) -> dict:
    predicted, loss = _loss(model, parts, training=True)
    found = _gradients(model, loss)
    with torch.no_grad():
        if found:
            model.optimizer.apply(found, model.trainable_variables)
        return _metrics(model, parts, predicted)


def _test(model: Any, parts: Sequence[torch.Tensor]) -> dict:
    with torch.no_grad():
        predicted, _ = _loss(model, parts, training=False)
        return _metrics(model, parts, predicted)


def _predict(model: Any, parts: Sequence[torch.Tensor]) -> Any:
    with torch.no_grad():
        return _predicted(model, parts[0], training=False)


_BODIES: dict[str, _Body] = {"train": _train, "test": _test, "predict": _predict}


def _as_multiplied(value: torch.Tensor) -> torch.Tensor:
    """The same numbers in the order in which torch multiplies by them.

    A dense kernel `(inputs, outputs)` lies as `(outputs, inputs)`, one of a convolution `(rows, columns, inputs,
    outputs)` as `(outputs, rows, columns, inputs)`.
    """
    last_first = {2: ((1, 0), (1, 0)), 4: ((3, 0, 1, 2), (1, 2, 3, 0))}
    if value.dim() not in last_first:
        return value
    there, back = last_first[value.dim()]
    return value.permute(there).contiguous().permute(back)


def _multiply_by_rates(module: torch.fx.GraphModule) -> None:
    """Has a graph multiply by a scalar that it reads as a number, as SGD does its rate, where torch takes a factor."""
    graph, add = module.graph, torch.ops.aten._foreach_add_.List
    for number in graph.find_nodes(op="call_function", target=torch.ops.aten._local_scalar_dense.default):
        for user in list(number.users):
            if user.target is not add or user.kwargs != {"alpha": number}:
                continue
            changed, given = user.args
            with graph.inserting_before(user):
                scaled = graph.call_function(torch.ops.aten._foreach_mul.Tensor, (given, *number.args))
                parts = [graph.call_function(getitem, (scaled, position)) for position in range(len(given))]
            for part, before in zip(parts, given, strict=True):
                part.meta["val"] = before.meta["val"]
            user.args, user.kwargs = (changed, parts), {}
        if not number.users:
            graph.erase_node(number)
    module.recompile()


def _is_unknown(node: torch.fx.Node) -> bool:
    """Whether a node gives a number that nobody knows before it runs, or a tensor of so many numbers."""
    numbers = torch.SymInt | torch.SymFloat | torch.SymBool
    found = tree.flatten(node.meta.get("val"))
    sides = [side for part in found if isinstance(part, torch.Tensor) for side in part.shape]
    return any(isinstance(number, numbers) for number in (*found, *sides))


def _compute_scalars_once(module: torch.fx.GraphModule) -> None:
    """Puts an operation that Inductor knows nothing of between each computed scalar and what larger it goes into."""
    graph = module.graph
    for node in list(graph.nodes):
        larger = [user for user in node.users if user.op != "output" and not _is_scalar(user)]
        if node.all_input_nodes and _is_scalar(node) and larger:
            with graph.inserting_after(node):
                once = graph.call_function(torch_operations.once(), (node,))
            for user in larger:
                user.replace_input_with(node, once)
    module.recompile()


def _is_scalar(node: torch.fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.dim() == 0
