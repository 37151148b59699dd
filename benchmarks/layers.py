"""How fast is each layer, against the same in PyTorch?

Each layer on TensorFlow (tf.function) and the same computation written with PyTorch's own operators (eager,
channels_last), by turns in one process: the forward pass, and forward and backward for weights and input.
Medians of 15 calls in three turns, float32. One row a layer. Let nothing else run; 5 minutes on 2 cores:
    python benchmarks/layers.py --out benchmarks/layers.csv
"""

import dataclasses
import statistics
import time

import keras
import numpy as np
import table
import tensorflow as tf
import torch
import tyro
from pytorch_layers import PAIRS

from dnzoo import training

TURNS, CALLS, WARM = 3, 5, 2


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write; reasons in it are kept."""
    only: str = ""
    """Part of the names to measure; the others keep their rows."""


def dnzoo_calls(layer, inputs):
    """(forward, forward and backward) of a Keras layer."""
    inputs = [tf.constant(x) for x in inputs]
    given = inputs if len(inputs) > 1 else inputs[0]
    layer(given)
    floating = [x for x in inputs if x.dtype.is_floating]

    @tf.function
    def forward():
        return layer(given, training=True) if layer._call_has_training_arg else layer(given)

    @tf.function
    def backward():
        with tf.GradientTape() as tape:
            tape.watch(floating)
            made = keras.tree.flatten(forward())[0]
            total = tf.reduce_sum(made * made)
        weights = [weight.value for weight in layer.trainable_weights]
        return tape.gradient(total, [*weights, *floating])

    return forward, backward


def pytorch_calls(module, inputs):
    """The same of a PyTorch module."""
    channels_last = {4: torch.channels_last, 5: torch.channels_last_3d}
    inputs = [torch.from_numpy(np.moveaxis(x, -1, 1).copy()) for x in inputs]
    inputs = [
        x.to(memory_format=channels_last[x.ndim]) if x.ndim in channels_last else x for x in inputs
    ]
    dimensions = {p.ndim for p in module.parameters()}
    for ndim, memory_format in channels_last.items():
        if ndim in dimensions and {4, 5} - dimensions:
            module = module.to(memory_format=memory_format)
    module.train()
    watched = [x.requires_grad_() if x.is_floating_point() else x for x in inputs]

    def forward():
        with torch.no_grad():
            return module(*watched)

    def backward():
        for tensor in (*module.parameters(), *watched):
            tensor.grad = None
        made = module(*watched)
        made = made[0] if isinstance(made, tuple) else made
        (made * made).sum().backward()

    return forward, backward


def milliseconds(ours, theirs):
    """Medians of both, measured by turns."""
    times = ([], [])
    for _ in range(TURNS):
        for call, found in zip((ours, theirs), times):
            for number in range(WARM + CALLS):
                started = time.perf_counter()
                call()
                if number >= WARM:
                    found.append(1000 * (time.perf_counter() - started))
    return [statistics.median(found) for found in times]


def measure(name):
    """One row: times of both passes and their ratios."""
    shapes, make, module = PAIRS[name]
    rng = np.random.default_rng(0)
    inputs = [
        rng.normal(0, 1, shape).astype("float32") if isinstance(shape, tuple) else shape(rng)
        for shape in shapes
    ]
    ours = dnzoo_calls(make(), inputs)
    theirs = pytorch_calls(module(), inputs)
    first = keras.tree.flatten(ours[0]())[0]
    expected = theirs[0]()
    expected = expected[0] if isinstance(expected, tuple) else expected
    if tuple(np.moveaxis(np.empty(expected.shape), 1, -1).shape) != tuple(first.shape):
        raise ValueError(f"{name}: {tuple(first.shape)} here, {tuple(expected.shape)} in PyTorch.")
    row = {"layer": name, "input": " and ".join("x".join(map(str, x.shape)) for x in inputs)}
    for index, kind in enumerate(("forward", "forward and backward")):
        a, b = milliseconds(ours[index], theirs[index])
        row |= {
            f"{kind}, dnzoo ms": f"{a:.2f}",
            f"{kind}, PyTorch ms": f"{b:.2f}",
            f"{kind}, ratio": f"{a / b:.2f}",
        }
    return row


def main(options):
    known = {row["layer"]: row for row in table.read(options.out)}
    rows = []
    for name in PAIRS:
        if options.only in name or name not in known:
            row = measure(name)
            ratios = row["forward, ratio"], row["forward and backward, ratio"]
            print(f"{name:<34} {ratios[0]:>6} {ratios[1]:>6}", flush=True)
            row["reason"] = known.get(name, {}).get("reason", "")
            row |= {**training.environment(), "pytorch": torch.__version__}
        else:
            row = known[name]
        rows.append(row)
        table.write(
            options.out, rows + [known[n] for n in known if n not in {r["layer"] for r in rows}]
        )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
