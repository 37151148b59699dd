"""Do transposed convolutions equal PyTorch's, whatever the geometry?

Random kernels (1 to 7), strides (1 to 4), paddings, output paddings, dilations (1 to 3), groups and
sizes (1 to 9), among all that PyTorch allows, with 1, 2 and 3 dimensions: the output, and its gradients with
respect to input and kernel. One row a dimension, with the largest error and where it is. An error is
relative to the largest number of PyTorch's array, or to 1. 20 minutes on 2 cores:
    python benchmarks/geometry.py --out benchmarks/geometry.csv
"""

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import tyro

from dnzoo import layers, training

LAYERS = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}
PARTS = ("output", "input gradient", "kernel gradient")
TOLERANCE = 1e-5
CHUNK = 500


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    count: int = 5000
    """Geometries a dimension, a multiple of 500."""
    seed: int = 0


def geometry(integer, rank, largest=9):
    """A random legal geometry: (the layer's arguments, the input's shape).

    Args:
        integer: function (low, high) -> an integer, both ends included.
    """

    def axes(low, high):
        return tuple(integer(low, high) for _ in range(rank))

    kernel, strides, dilation, sizes = axes(1, 7), axes(1, 4), axes(1, 3), axes(1, largest)
    extra = tuple(integer(0, max(pair) - 1) for pair in zip(strides, dilation))
    room = [
        s * (n - 1) + d * (k - 1) + 1 + o
        for s, n, d, k, o in zip(strides, sizes, dilation, kernel, extra)
    ]
    padding = tuple(integer(0, (rows - 1) // 2) for rows in room)
    groups, depth = integer(1, 3), integer(1, 2)
    arguments = {
        "filters": groups * integer(1, 2),
        "kernel_size": kernel,
        "strides": strides,
        "padding": padding,
        "output_padding": extra,
        "dilation_rate": dilation,
        "groups": groups,
        "use_bias": False,
    }
    return arguments, (1, *sizes, groups * depth)


def integers(rng):
    """`integer` for `geometry`, drawn by numpy."""
    return lambda low, high: int(rng.integers(low, high + 1))


def errors(rank, arguments, shape, rng):
    """The relative errors of output, input gradient and kernel gradient; infinite for a wrong shape."""
    import tensorflow as tf
    import torch

    x = rng.normal(0, 1, shape).astype("float32")
    layer = LAYERS[rank](**arguments)
    layer.build(shape)
    kernel = rng.normal(0, 1, layer.kernel.shape).astype("float32")
    layer.kernel.assign(kernel)
    cotangent = rng.normal(0, 1, layer.compute_output_shape(shape)).astype("float32")
    with tf.GradientTape() as tape:
        given = tf.constant(x)
        tape.watch(given)
        y = layer(given)
        total = tf.reduce_sum(y * cotangent)
    ours = [y, *tape.gradient(total, [given, layer.kernel.value])]

    order = (rank + 1, rank, *range(rank))  # (k, ..., out, in) to (in, out, k, ...)
    weight = torch.tensor(kernel.transpose(order).copy(), requires_grad=True)
    image = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
    function = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    columns = ("strides", "padding", "output_padding", "groups", "dilation_rate")
    expected = function(image, weight, None, *(arguments[column] for column in columns))
    expected.backward(torch.tensor(np.moveaxis(cotangent, -1, 1).copy()))
    theirs = [
        np.moveaxis(expected.detach().numpy(), 1, -1),
        np.moveaxis(image.grad.numpy(), 1, -1),
        weight.grad.numpy().transpose(np.argsort(order)),
    ]
    return [relative(np.asarray(a), b) for a, b in zip(ours, theirs)]


def relative(found, expected):
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1))


def chunk(rank, seed, number):
    """The largest error of each part over some geometries, and where it is; ValueError above TOLERANCE."""
    rng = np.random.default_rng((seed, rank, number))
    worst = [(-1.0, {}, ())] * len(PARTS)
    for _ in range(CHUNK):
        arguments, shape = geometry(integers(rng), rank)
        found = errors(rank, arguments, shape, rng)
        if max(found) > TOLERANCE:
            raise ValueError(f"{arguments}, input {shape}: errors {found}.")
        worst = [
            max(old, (error, arguments, shape), key=lambda entry: entry[0])
            for old, error in zip(worst, found)
        ]
    return worst


def run(options):
    import torch

    # A process for each chunk: after some thousand different shapes in one process, with
    # TensorFlow and PyTorch side by side, memory was found damaged ("corrupted size vs. prev_size").
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, max_tasks_per_child=1) as pool:
        for rank in LAYERS:
            numbers = range(options.count // CHUNK)
            jobs = [pool.submit(chunk, rank, options.seed, number) for number in numbers]
            found = [job.result() for job in jobs]
            print(f"{rank}-D: {len(found) * CHUNK} geometries", flush=True)
            for part, entries in zip(PARTS, zip(*found)):
                error, arguments, shape = max(entries, key=lambda entry: entry[0])
                yield {
                    "dimensions": rank,
                    "geometries": len(found) * CHUNK,
                    "seed": options.seed,
                    "part": part,
                    "largest_relative_error": f"{error:.2e}",
                    "there": f"input {shape}, {arguments}",
                    **training.environment(),
                    "pytorch": torch.__version__,
                }


if __name__ == "__main__":
    import table

    chosen = tyro.cli(Options, description=__doc__)
    table.write(chosen.out, list(run(chosen)))
