"""A model or layer taken apart: which operations it does, in order, on which shapes.

Models, and layers that are made of others, are called once with symbolic tensors; what they call
in turn are the nodes. Layers that say themselves what they do (`dnzoo.layers.rules`), Keras's own, and those
that `atoms` names stay whole.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from dnzoo.layers.base import Shape
from dnzoo.layers.rules import Rules


@dataclasses.dataclass
class Tensor:
    """A value in the graph."""

    number: int
    shape: tuple[Any, ...]
    dtype: str


@dataclasses.dataclass
class Node:
    """One operation. `path` names the layers it lies in, outermost first."""

    operation: keras.Operation
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    inputs: list[Tensor]
    outputs: list[Tensor]
    path: tuple[str, ...]


@dataclasses.dataclass
class Graph:
    """Operations in an order in which they can be done."""

    nodes: list[Node]
    inputs: list[Tensor]
    outputs: list[Tensor]


def trace(
    model: keras.Layer,
    input_shape: Shape | list[Shape] | None = None,
    atoms: tuple[type[Any], ...] = (),
    batch: int = 1,
) -> Graph:
    """The `Graph` of a model or layer.

    Args:
        input_shape: without batch, or a list of shapes; None: the model's own, 256 for a size
            that it leaves open.
        atoms: layer classes that are not taken apart, besides those with rules of their own.
        batch: images at a time.

    Raises:
        ValueError: when the shape can't be used, or is needed and missing.
    """
    return trace_tensors(model, _inputs(model, input_shape, batch), atoms)


def trace_tensors(
    model: keras.Layer, tensors: Any, atoms: Iterable[type[Any]] = (), others: bool = True
) -> Graph:
    """As `trace`, for symbolic tensors of any shapes and types in the structure the model takes.

    Without `others`, layers that are neither Keras's nor dnzoo's stay whole as well.
    """
    inputs = keras.tree.flatten(tensors)
    tracer = _Tracer(atoms, others)
    outputs = keras.tree.flatten(model(tensors))
    for node in _between({id(x) for x in inputs}, outputs):
        tracer.add(node, ())
    numbers = [tracer.tensor(x) for x in inputs]
    return Graph(tracer.nodes, numbers, [tracer.tensor(x) for x in outputs])


def _inputs(model: keras.Layer, input_shape: Shape | list[Shape] | None, batch: int) -> Any:
    if input_shape is None:
        shapes = getattr(model, "input_shape", None)
        if shapes is None:
            raise ValueError(f"{model.name}: give input_shape, without the batch; it has none yet.")
        shapes = keras.tree.map_shape_structure(
            lambda shape: tuple(size or 256 for size in shape[1:-1]) + shape[-1:], shapes
        )
    else:
        shapes = input_shape
    return keras.tree.map_shape_structure(
        lambda shape: keras.KerasTensor((batch, *shape), keras.config.floatx()), shapes
    )


class _Tracer:
    def __init__(self, atoms: Iterable[type[Any]], others: bool) -> None:
        self.atoms: tuple[type[Any], ...] = tuple(atoms)
        self.others: bool = others
        self.nodes: list[Node] = []
        self.known: dict[int, tuple[keras.KerasTensor, Tensor]] = {}
        self.counter: itertools.count[int] = itertools.count()

    def tensor(self, symbolic: keras.KerasTensor) -> Tensor:
        """The `Tensor` for a KerasTensor; the same for what is the same value."""
        key = id(symbolic)
        if key not in self.known:
            dtype = keras.backend.standardize_dtype(symbolic.dtype)
            found = Tensor(next(self.counter), tuple(symbolic.shape), dtype)
            self.known[key] = (symbolic, found)  # held, so that no other takes its id
        return self.known[key][1]

    def expand(
        self,
        operation: keras.Operation,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        path: tuple[str, ...],
    ) -> list[keras.KerasTensor]:
        """Add what `operation` does; its outputs, as a flat list of KerasTensors."""
        outputs = keras.tree.flatten(operation.call(*arguments, **keywords))
        path = (*path, operation.name)
        given = {id(x) for x in keras.tree.flatten((arguments, keywords))}
        for node in _between(given, outputs):
            self.add(node, path)
        return outputs

    def add(self, node: Any, path: tuple[str, ...]) -> None:
        operation, arguments = node.operation, node.arguments
        while isinstance(operation, keras.layers.Wrapper) and not self._is_whole(operation):
            path, operation = (*path, operation.name), operation.layer
        if self._is_whole(operation):
            inputs = [self.tensor(x) for x in arguments.keras_tensors]
            outputs = [self.tensor(x) for x in node.output_tensors]
            self.nodes.append(
                Node(
                    operation,
                    arguments.args,
                    arguments.kwargs,
                    inputs,
                    outputs,
                    (*path, operation.name),
                )
            )
            return
        inner = self.expand(operation, arguments.args, arguments.kwargs, path)
        for symbolic, found in zip(node.output_tensors, inner):
            self.known[id(symbolic)] = (symbolic, self.tensor(found))

    def _is_whole(self, operation: keras.Operation) -> bool:
        if isinstance(operation, (*self.atoms, Rules)):
            return True
        if isinstance(operation, (keras.Model, keras.layers.Wrapper)):
            return False
        if not isinstance(operation, keras.layers.Layer):
            return True
        module = type(operation).__module__
        if not self.others and not module.startswith(("keras.src.layers.", "dnzoo.")):
            return True
        # what keras.applications defines for itself is made of operations
        return module.startswith("keras.") and not module.startswith("keras.src.applications")


def _between(given: set[int], outputs: Sequence[keras.KerasTensor]) -> list[Any]:
    """Keras's nodes that lead from the tensors whose ids are given to `outputs`, in order.

    They are taken out of Keras's own record again: a layer that was looked at is as it was.
    """
    order, seen = [], set()

    def visit(x: keras.KerasTensor) -> None:
        stack = [(x, False)]
        while stack:
            symbolic, ready = stack.pop()
            if id(symbolic) in given or getattr(symbolic, "_keras_history", None) is None:
                continue
            operation, index, _ = symbolic._keras_history
            if operation is None:
                continue
            node = operation._inbound_nodes[index]
            if node.is_input:
                continue
            if ready:
                if id(node) not in seen:
                    seen.add(id(node))
                    order.append(node)
            elif id(node) not in seen:
                stack.append((symbolic, True))
                stack += [(parent, False) for parent in reversed(node.arguments.keras_tensors)]

    for output in outputs:
        visit(output)
    for node in reversed(order):
        node.operation._inbound_nodes.remove(node)
        for parent in node.arguments.keras_tensors:
            source = getattr(parent, "_keras_history", (None,))[0]
            if source is not None and node in source._outbound_nodes:
                source._outbound_nodes.remove(node)
    return order
