"""Has the convolutions of a graph on torch do what follows them, while their results are in cache.

oneDNN, which computes them on a CPU, adds a bias and takes a ReLU as it writes a result; Inductor would read it again.
Where no step changes the weights, as in a frozen base and wherever a model predicts or is evaluated, more is folded:
they are rounded to the step's precision and laid out as oneDNN multiplies by them once, not in every step; batch
normalisation, which in inference is a factor and a summand a channel, goes into weights and bias; and the sum with a
branch is the convolution's, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch.fx import Graph, GraphModule, Node

from flowers_core.backends import torch_operations
from flowers_core.backends.torch_operations import CHANNELS_FIRST, CHANNELS_LAST, arguments, find_written

aten = torch.ops.aten

_STEPS = {getattr(aten, name + ending).Tensor: name for name in ("mul", "add", "sub") for ending in ("", "_")}
_SAME = {aten.detach.default, aten._to_copy.default}
_ACTIVATIONS = {getattr(aten, name + ending).default: name for name in ("relu", "hardtanh") for ending in ("", "_")}


class FoldedConvolution:
    """A convolution, with what follows it.

    Args:
        chain: What of the graph it is.
    """

    def __init__(self, chain: "_Chain"):
        images, _, bias, stride, padding, dilation, _, _, groups = arguments(chain.node)
        self.shape = chain.node.meta["val"].permute(CHANNELS_LAST).shape  # of its result
        self._takes = list(images.meta["val"].shape)
        self._sizes = list(padding), list(stride), list(dilation), groups
        self._has_bias = bias is not None
        self._steps = [(kind, None if isinstance(value, Node) else value) for kind, value in chain.steps]
        self._activation = chain.activation
        self._weight: torch.Tensor | None = None
        self._bias: torch.Tensor | None = None

    def prepare(self, constants: Iterator[torch.Tensor]) -> None:
        """Computes weight and bias anew.

        Args:
            constants: Begins with what `_Chain.constants` are.
        """
        weight = next(constants)
        factor, summand = torch.ones(weight.shape[0]), torch.zeros(weight.shape[0])
        if self._has_bias:
            summand = next(constants).float()
        for kind, number in self._steps:
            value = next(constants).float().flatten() if number is None else number
            if kind == "mul":
                factor, summand = factor * value, summand * value
            else:
                summand = summand + value if kind == "add" else summand - value
        folded = (weight.float() * factor.view(-1, 1, 1, 1)).to(weight.dtype, memory_format=torch.channels_last)
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(folded, *self._sizes, self._takes)
        self._bias = summand.to(weight.dtype)

    def compute(self, images: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        """The result; all images are `(batch, channels, rows, columns)`, those to add of its own shape."""
        own = self._weight, self._bias, *self._sizes
        name, numbers = self._activation
        if added is None:
            return torch.ops.mkldnn._convolution_pointwise(images, *own, name or "none", numbers, "")
        return torch.ops.mkldnn._convolution_pointwise.binary(images, added, *own, "add", 1, name, numbers, "")


class FoldedConvolutions:
    """Those of a graph, which from now on uses them.

    Args:
        module: Of aten's operations; it is rewritten.
        stay: Of its first inputs, the variables, which no training step changes between its calls.
    """

    def __init__(self, module: GraphModule, stay: Sequence[bool]):
        graph = module.graph
        inputs = graph.find_nodes(op="placeholder")[: len(stay)]
        constant = _constants(graph, [node for node, stays in zip(inputs, stay, strict=True) if stays])
        chains = _chains(graph, constant) if torch.backends.mkldnn.is_available() else []
        folded = [chain for chain in chains if chain.is_constant]
        self._compute = _cut_out(module, inputs, constant, [part for chain in folded for part in chain.constants])
        taken = self._compute.graph.find_nodes(op="placeholder")
        self._used = [number for number, node in enumerate(taken) if node.users]
        self._seen: list[tuple[int, int]] | None = None
        self._convolutions = {chain: FoldedConvolution(chain) for chain in folded}
        replaced: dict[Node, Node] = {}
        for chain in chains:
            replaced[chain.last] = _put_in(graph, chain, self._convolutions.get(chain), replaced)
        module.recompile()

    def __len__(self) -> int:
        return len(self._convolutions)

    def follow(self, values: Sequence[torch.Tensor]) -> None:
        """Prepares weights anew if a variable has changed.

        Args:
            values: Of all variables.
        """
        seen = [(values[number].data_ptr(), values[number]._version) for number in self._used]
        if seen != self._seen:
            given = list(values)
            with torch.no_grad():
                for number in self._used:
                    given[number] = given[number].clone()  # what is computed may be computed in place
                constants = iter(self._compute(*given))
                for convolution in self._convolutions.values():
                    convolution.prepare(constants)
            self._seen = seen


@dataclass(eq=False)
class _Chain:
    """A convolution in a graph with what can be folded into it.

    Attributes:
        node: The convolution.
        last: The node whose result it will give.
        is_constant: Whether no step changes its weights.
        channels_last: Whether the last node has its channels in the last place.
        steps: What is done to each channel: `mul`, `add` or `sub`, and by what.
        added: The node of a branch.
        activation: oneDNN's name and numbers.
    """

    node: Node
    last: Node
    is_constant: bool = True
    channels_last: bool = False
    steps: list[tuple[str, Any]] = field(default_factory=list)
    added: Node | None = None
    activation: tuple[str | None, list[float]] = (None, [])

    @property
    def constants(self) -> list[Node]:
        """What its weight and bias are computed from."""
        found = (*arguments(self.node)[1:3], *(value for _, value in self.steps))
        return [part for part in found if isinstance(part, Node)]

    @property
    def user(self) -> Node | None:
        """What alone uses its result."""
        return next(iter(self.last.users)) if len(self.last.users) == 1 else None

    def path(self) -> list[Node]:
        """All nodes that it stands for, the last first."""
        nodes = [self.node]
        while nodes[-1] is not self.last:
            nodes.append(next(iter(nodes[-1].users)))
        return nodes[::-1]

    def take_steps(self, constant: set[Node]) -> None:
        """Follows it to where its result has the precision of the convolution for the last time."""
        steps, node, channels_last = [], self.node, False
        while len(node.users) == 1:
            before, (node,) = node, node.users
            if not channels_last and _turns_last(node):
                channels_last = True
            elif channels_last and (step := _step(node, before)) and _is_known(step[1], constant):
                steps.append(step)
            elif node.target not in _SAME:
                return
            if _precision(node) == _precision(self.node):
                self.last, self.channels_last, self.steps = node, channels_last, list(steps)

    def take_bias(self) -> None:
        """Takes a number a channel that is added at once, in the same precision."""
        order = self.user
        if order is None or not _turns_last(order):
            return
        self.last, self.channels_last = order, True
        user = self.user
        kind, value = (_step(user, order) if user else None) or (None, None)
        if user and kind == "add" and isinstance(value, Node) and _precision(value) == _precision(order):
            self.last, self.steps = user, [(kind, value)]

    def take_branch(self, taken: set[Node]) -> None:
        """Takes the sum with images that are not constant, if no other convolution has."""
        user = self.user
        is_sum = user and _STEPS.get(user.target) == "add" and not user.kwargs
        if not (user and is_sum and self.channels_last and user not in taken):
            return
        others = [part for part in arguments(user) if part is not self.last]
        if len(others) == 1 and _are_alike(others[0], self.last):
            self.added, self.last = others[0], user
            taken.add(user)

    def take_activation(self) -> None:
        """Takes a ReLU, limited or not; after a branch, oneDNN has the one without a limit alone."""
        user = self.user
        if user and (name := _ACTIVATIONS.get(user.target)) and (name == "relu" or not self.added):
            self.activation = name, [float(limit) for limit in arguments(user)[1:]]
            self.last = user


def _constants(graph: Graph, inputs: list[Node]) -> set[Node]:
    """What is computed from inputs alone that the graph leaves as they are."""
    changed: set[Node] = set()
    while True:
        constant: set[Node] = set()
        for node in graph.nodes:
            sources = node.all_input_nodes
            if node not in changed and (node in inputs or (sources and constant.issuperset(sources))):
                constant.add(node)
        changers = [node for node in graph.nodes if node not in constant]
        more = {alias for node in changers for part in find_written(node) for alias in _aliases(part)}
        if more <= changed:
            return constant
        changed |= more


def _aliases(node: Node) -> Iterator[Node]:
    """A node and all of which it may be a view."""
    yield node
    if len(node.all_input_nodes) == 1:
        yield from _aliases(node.all_input_nodes[0])


def _chains(graph: Graph, constant: set[Node]) -> list[_Chain]:
    """All convolutions that something is folded into."""
    found, taken = [], set()
    for node in graph.find_nodes(op="call_function", target=aten.convolution.default):
        if not _is_computed_by_onednn(node):
            continue
        _, weight, bias, *_ = arguments(node)
        chain = _Chain(node, last=node, is_constant=constant.issuperset({weight} if bias is None else {weight, bias}))
        if chain.is_constant:
            chain.take_steps(constant)
            chain.take_branch(taken)
        elif bias is None:
            chain.take_bias()
        chain.take_activation()
        if chain.is_constant or chain.steps or chain.activation[0]:
            found.append(chain)
    return found


def _is_computed_by_onednn(node: Node) -> bool:
    """Whether it is one of images that stay as they are, in a precision that oneDNN has here."""
    images, *_, is_transposed, _, _ = arguments(node)
    is_half = _precision(images) == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    is_kept = not any(images in find_written(user) for user in images.users)
    is_known = is_half or _precision(images) == torch.float32
    return is_known and is_kept and images.meta["val"].dim() == 4 and not is_transposed


def _turns_last(node: Node) -> bool:
    """Whether it puts channels last."""
    return node.target is aten.permute.default and arguments(node)[1] == CHANNELS_LAST


def _precision(node: Node) -> torch.dtype:
    return node.meta["val"].dtype


def _step(node: Node, before: Node) -> tuple[str, Any] | None:
    """What a node does to each channel of the node before it, which has them last, if it does."""
    kind = _STEPS.get(node.target)
    others = [part for part in arguments(node) if part is not before]
    if not kind or node.kwargs or len(others) != 1 or (kind == "sub" and arguments(node)[0] is not before):
        return None
    (value,) = others
    if isinstance(value, Node):
        given, channels = value.meta["val"], before.meta["val"].shape[-1]
        if given.numel() != channels or given.shape[-1:] != (channels,):
            return None
    return kind, value


def _is_known(value: Any, constant: set[Node]) -> bool:
    """Whether a step's value is the same in every call: a number, or a constant node."""
    return not isinstance(value, Node) or value in constant


def _are_alike(node: Any, other: Node) -> bool:
    """Whether both are images of one shape and precision, and the first stays as it is."""
    if not isinstance(node, Node) or any(node in find_written(user) for user in node.users):
        return False
    value, expected = node.meta["val"], other.meta["val"]
    return (value.shape, value.dtype) == (expected.shape, expected.dtype)


def _cut_out(module: GraphModule, inputs: list[Node], constant: set[Node], wanted: list[Node]) -> GraphModule:
    """What computes nodes that are constant from inputs alone."""
    graph, copies, needed = Graph(), {}, set(wanted)
    for node in reversed(module.graph.nodes):
        changed = {alias for part in find_written(node) for alias in _aliases(part)} if node in constant else set()
        if node in needed or not needed.isdisjoint(changed):
            needed.update({node, *node.all_input_nodes})
    for node in module.graph.nodes:
        if node in needed or node in inputs:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output([copies[node] for node in wanted])
    return GraphModule(module, graph)


def _put_in(graph: Graph, chain: _Chain, folded: FoldedConvolution | None, replaced: Mapping[Node, Node]) -> Node:
    """Replaces all nodes of a chain by one operation, whose result it gives."""
    with graph.inserting_before(chain.last):
        images, weight, bias, stride, padding, dilation, *_, groups = arguments(chain.node)
        images = graph.call_function(aten.permute.default, (images, CHANNELS_LAST))
        if folded:
            added = replaced.get(chain.added, chain.added) if chain.added else None
            result = graph.call_function(_folding(), (images, added, list(folded.shape), _enter(folded)))
        else:
            weight = graph.call_function(aten.permute.default, (weight, CHANNELS_LAST))
            for _, value in chain.steps:
                bias = graph.call_function(aten.flatten.using_ints, (value,))
            name, numbers = chain.activation
            sizes = padding, stride, dilation, groups
            result = graph.call_function(_activation(), (images, weight, bias, *sizes, name or "none", numbers))
        if not chain.channels_last:
            result = graph.call_function(aten.permute.default, (result, CHANNELS_FIRST))
    path = chain.path()
    chain.last.replace_all_uses_with(result)
    for node in path:
        graph.erase_node(node)
    return result


_NUMBERS = count()
_ENTERED: WeakValueDictionary[int, FoldedConvolution] = WeakValueDictionary()  # an operation takes numbers, no objects


def _enter(convolution: FoldedConvolution) -> int:
    number = next(_NUMBERS)
    _ENTERED[number] = convolution
    return number


@cache
def _folding() -> Any:
    """The operation of one that has been entered."""
    return torch_operations.define(
        "folded_convolution(Tensor images, Tensor? added, int[] shape, int number) -> Tensor",
        torch_operations.in_torchs_order(lambda images, added, _, number: _ENTERED[number].compute(images, added)),
        lambda images, _, shape, __: images.new_empty(shape),  # in the arguments, of which Inductor's cache knows
    )


@cache
def _activation() -> Any:
    """The operation of one that adds a bias and takes a ReLU."""
    options = "int[] padding, int[] stride, int[] dilation, int groups, str name, float[] numbers"
    return torch_operations.define(
        f"activated_convolution(Tensor images, Tensor weight, Tensor? bias, {options}) -> Tensor",
        torch_operations.in_torchs_order(lambda *given: torch.ops.mkldnn._convolution_pointwise(*given, "")),
        torch_operations.in_torchs_order(_shape_activated),
    )


def _shape_activated(images: torch.Tensor, weight: torch.Tensor, *options: Any) -> torch.Tensor:
    bias, padding, stride, dilation, groups, _, _ = options
    return aten.convolution(images, weight, bias, stride, padding, dilation, False, [0, 0], groups)
