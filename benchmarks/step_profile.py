"""Where a training step of the U-Net goes: milliseconds of each kind of kernel, before and after.

Before: Keras's BatchNormalization and Adam; after: dnzoo's. Kernels run two at a time, so that their sum
is more than the step. Beside it each 3x3 convolution alone on both cores, in TensorFlow and PyTorch: what the
step would take if nothing else had to be done; and those of DCGAN's discriminator, whose gradients are its
generator's convolutions. Four minutes on 2 cores:
    python benchmarks/step_profile.py --out benchmarks/step_profile.csv
"""

import collections
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import table
import tensorflow as tf
import tyro

from dnzoo import layers, losses, training, unet
from dnzoo.layers import blocks

FILTERS, BATCH, SIZE, STEPS = (32, 64, 128, 256, 512), 8, 128, 6
KINDS = {
    "Conv2DBackpropFilter": "convolution, filter gradient",
    "Conv2DBackpropInput": "convolution, input gradient",
    "Conv2D": "convolution, forward",
    "FusedBatchNorm": "batch normalisation",
    "ReluGrad": "ReLU gradient",
    "MaxPool": "pooling",
    "Cast": "casts",
    "Slice": "concatenation",
    "Concat": "concatenation",
    "AddN": "concatenation",
    "SparseSoftmax": "loss",
    "Adam": "optimiser",
}


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""


def build(precision, ours):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    kind = layers.BatchNormalization if ours else keras.layers.BatchNormalization
    before = blocks.normalize
    blocks.normalize = lambda _name, _filters, _momentum, **kwargs: kind(**kwargs)
    try:
        model = unet((None, None, 3), classes=3, filters=FILTERS)
    finally:
        blocks.normalize = before
    optimizer = training.Adam() if ours else keras.optimizers.Adam()
    model.compile(optimizer, losses.CrossEntropy(), jit_compile=False)
    return model


class Watch(keras.callbacks.Callback):
    """Times of steps, and TensorFlow's profile of some of them."""

    def __init__(self, folder=None):
        super().__init__()
        self.folder, self.times = folder, []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())
        if self.folder and batch == 1:
            tf.profiler.experimental.start(str(self.folder))
        if self.folder and batch == 1 + STEPS:
            tf.profiler.experimental.stop()


def kernels(folder):
    """{kind: milliseconds a step} of a profile."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(next(folder.rglob("*.xplane.pb")).read_bytes())
    found = collections.Counter()
    for plane in space.planes:
        for line in plane.lines if "CPU" in plane.name else ():
            for event in line.events:
                name, colon, kernel = plane.event_metadata[event.metadata_id].name.rpartition(":")
                if colon and "/" in name:
                    kind = next((KINDS[part] for part in KINDS if part in kernel), "other")
                    if "adam" in name.lower():
                        kind = "optimiser"
                    found[kind] += event.duration_ps / 1e9 / STEPS
    return found


def profile(precision, ours, batches):
    """{kind: milliseconds} of a step, "step" among them."""
    model, watch = build(precision, ours), Watch()
    model.fit(batches, steps_per_epoch=4, verbose=0)
    model.fit(batches, steps_per_epoch=16, verbose=0, callbacks=[watch])
    step = 1000 * statistics.median(np.diff(watch.times))
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(Path(folder))
        model.fit(batches, steps_per_epoch=STEPS + 3, verbose=0, callbacks=[watch])
        return {"step": step, **dict(kernels(Path(folder)).most_common())}


def of_unet():
    """(batch, rows, channels in, channels out, taps, stride) of the U-Net's 3x3 convolutions."""
    found, before = [], 3
    for level, width in enumerate(FILTERS):
        found += [(SIZE >> level, before, width), (SIZE >> level, width, width)]
        before = width
    for level in range(len(FILTERS) - 2, -1, -1):
        width = FILTERS[level]
        found += [(SIZE >> level, 2 * width, width), (SIZE >> level, width, width)]
    return [(BATCH, *each, 3, 1) for each in found]


def of_dcgan():
    """The same of the discriminator's convolutions with stride 2 on 64 x 64."""
    return [(64, 64, 3, 64, 4, 2), *((64, 32 >> i, 64 << i, 128 << i, 4, 2) for i in range(3))]


def milliseconds(call):
    for _ in range(2):
        call()
    times = []
    for _ in range(8):
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def alone(precision, convolutions):
    """Forward, input gradient and filter gradient of all, each alone: {framework: [three sums]}."""
    sums = {"TensorFlow": np.zeros(3), "PyTorch": np.zeros(3)}
    for batch, size, depth, width, taps, stride in convolutions:
        rng = np.random.default_rng(0)
        made = (batch, size // stride, size // stride, width)
        shapes = ((batch, size, size, depth), (taps, taps, depth, width), made)
        arrays = [rng.normal(0, 1, shape).astype("float32") for shape in shapes]
        for name, calls in (("TensorFlow", _tensorflow), ("PyTorch", _pytorch)):
            forward, back, filters = calls(*arrays, stride, precision != "float32")
            # nobody asks for the gradient of the image
            sums[name] += [
                milliseconds(forward),
                milliseconds(back) if depth > 3 else 0,
                milliseconds(filters),
            ]
    return sums


def _tensorflow(x, k, g, stride, low):
    shapes, same = (x.shape, k.shape), {"strides": [1, stride, stride, 1], "padding": "SAME"}
    x, k, g = (tf.cast(array, tf.bfloat16 if low else tf.float32) for array in (x, k, g))

    @tf.function
    def forward(x, k):
        return tf.nn.conv2d(x, k, stride, "SAME")

    @tf.function
    def back(k, g):
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=shapes[0], filter=k, out_backprop=g, **same
        )

    @tf.function
    def filters(x, g):
        return tf.raw_ops.Conv2DBackpropFilter(
            input=x, filter_sizes=shapes[1], out_backprop=g, **same
        )

    return lambda: forward(x, k), lambda: back(k, g), lambda: filters(x, g)


def _pytorch(x, k, g, stride, low):
    import torch

    kind = torch.bfloat16 if low else torch.float32
    x, k, g = (
        torch.from_numpy(array.transpose(order).copy()).to(kind, memory_format=torch.channels_last)
        for array, order in ((x, (0, 3, 1, 2)), (k, (3, 2, 0, 1)), (g, (0, 3, 1, 2)))
    )

    def backward(mask):
        torch.ops.aten.convolution_backward(
            g, x, k, None, [stride] * 2, [1, 1], [1, 1], False, [0, 0], 1, mask
        )

    return (
        lambda: torch.nn.functional.conv2d(x, k, stride=stride, padding=1),
        lambda: backward([True, False, False]),
        lambda: backward([False, True, False]),
    )


def by_kind(sums):
    """{column: {kind of kernel: ms}}, as `profile` gives it."""
    kinds = ("forward", "input gradient", "filter gradient")
    return {
        f"alone, {name}": {f"convolution, {kind}": ms for kind, ms in zip(kinds, found)}
        for name, found in sums.items()
    }


def listed(net, precision, columns):
    """A row for each kind of kernel."""
    rows = []
    for kind in dict.fromkeys(kind for found in columns.values() for kind in found):
        values = {
            name: f"{columns[name][kind]:.1f}" if kind in columns.get(name, ()) else ""
            for name in ("before", "after", "alone, TensorFlow", "alone, PyTorch")
        }
        rows.append(
            {
                "net": net,
                "precision": precision,
                "kernels": kind,
                **values,
                **training.environment(),
            }
        )
        print(*list(rows[-1].values())[:7], sep="  ", flush=True)
    return rows


def main(options):
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (BATCH, SIZE, SIZE, 3)).astype("float32")
    masks = rng.integers(0, 3, (BATCH, SIZE, SIZE)).astype("uint8")
    batches = tf.data.Dataset.from_tensors((images, masks)).repeat()
    rows = []
    for precision in ("mixed_bfloat16", "float32"):
        columns = {
            name: profile(precision, name == "after", batches) for name in ("before", "after")
        }
        columns |= by_kind(alone(precision, of_unet()))
        rows += listed("U-Net", precision, columns)
        rows += listed("DCGAN", precision, by_kind(alone(precision, of_dcgan())))
    table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
