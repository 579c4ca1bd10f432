"""Operations of our own for a step on torch that is compiled as one graph: Inductor calls them as they are.

On a CPU images lie in memory as Keras has them, `(batch, rows, columns, channels)`, and an operation of ours takes and
gives them so; see `flowers_core.backends.torch_graph` for why.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch.fx import Graph, Node

# What stays torch's own on a CPU; of a maximum, Inductor would scatter the gradients one by one.
_KEPT = (
    "convolution_backward",
    "max_pool2d_with_indices",
    "max_pool2d_with_indices_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "replication_pad2d",
    "replication_pad2d_backward",
)
_OWN = "flowers"  # torch's name for our operations
CHANNELS_FIRST, CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]  # each from the other


@cache
def operations() -> dict[Any, Any]:
    """Ours by torch's: what to call for each."""
    found = {}
    for name in _KEPT:
        torchs = getattr(torch.ops.aten, name).default
        inside = in_torchs_order(torchs)
        ours = define(str(torchs._schema).partition("::")[2], inside, inside)
        found[torchs] = partial(_between, _channels_last, ours, _channels_first)
    return found


def in_torchs_order(operation: Callable) -> Callable:
    """The same for images that lie as Keras has them, of an operation that takes and gives them channels first."""
    return partial(_between, _channels_first, operation, _channels_last)


@cache
def once() -> Any:
    """Gives a tensor as it is."""
    return define("once(Tensor value) -> Tensor", torch.clone, torch.clone)


def define(schema: str, compute: Callable, shape: Callable) -> Any:
    """Defines an operation of ours.

    Args:
        schema: Its name, arguments and result, as torch writes them.
        compute: Computes it on a CPU; all tensors are contiguous.
        shape: Gives an empty result.
    """
    name = schema.partition("(")[0]
    _library().define(schema, tags=(torch.Tag.needs_contiguous_strides, torch.Tag.pt2_compliant_tag))
    _library().impl(name, compute, "CPU")
    torch.library.register_fake(f"{_OWN}::{name}", shape, lib=_library())
    return getattr(getattr(torch.ops, _OWN), name).default


def take_as_it_lies(graph: Graph) -> None:
    """Hands our operations the images of which they would get a copy turned round and back.

    Keras' layers turn them for torch, copy them in torch's order, and ours turn them back.
    """
    for node in graph.nodes:
        if getattr(node.target, "namespace", "") == _OWN:
            for given in node.all_input_nodes:
                node.replace_input_with(given, _before_turning(given))


def _before_turning(node: Node) -> Node:
    """The node of which another is a copy in the same order; nothing may be written into either."""
    found, order = node, [0, 1, 2, 3]
    while not any(node in find_written(user) for user in node.users):
        if node.target is torch.ops.aten.permute.default and len(axes := arguments(node)[1]) == len(order):
            order = [axes[axis] for axis in order]
        elif node.target is not torch.ops.aten.clone.default:
            break
        node = arguments(node)[0]
        found = node if order == sorted(order) else found
    return found


def find_written(node: Node) -> list[Node]:
    """What a node changes in place."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return []
    pairs = zip(node.target._schema.arguments, arguments(node), strict=False)
    given = [value for argument, value in pairs if argument.is_write]
    return [part for value in given for part in (value if isinstance(value, list | tuple) else [value])]


def arguments(node: Node) -> Any:
    """What a node takes, nodes and numbers."""
    return node.args


@cache
def _library() -> torch.library.Library:
    """Kept, for what it defines goes with it."""
    return torch.library.Library(_OWN, "DEF")


def _between(before: Callable, operation: Callable, after: Callable, *given: Any, **options: Any) -> Any:
    """The result of an operation, its four-dimensional tensors changed before and after."""
    result = operation(*map(before, given), **options)
    return tuple(map(after, result)) if isinstance(result, tuple) else after(result)


def _channels_last(value: Any) -> Any:
    return value.permute(CHANNELS_LAST).contiguous() if _is_image(value) else value


def _channels_first(value: Any) -> Any:
    return value.permute(CHANNELS_FIRST) if _is_image(value) else value


def _is_image(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() == 4
