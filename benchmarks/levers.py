"""What would make a training step faster? One change at a time, by turns with the net as it is: the U-Net,
and the mask head, whose output layer is large.

Changes that alter the function (no batch normalisation, gradient descent for Adam) are limits: they say
what there is to gain at most. Each is a process of its own; fifteen minutes on 2 cores, 12 GB of memory:
    python benchmarks/levers.py --out benchmarks/levers.csv
"""

import dataclasses
import os
import statistics
import sys
import tempfile
from pathlib import Path

import table
import tyro

FILTERS = (32, 64, 128, 256, 512)
TURNS = 7
CHANGES = {
    "as it is": {},
    "Adam of Keras": {},
    "gradient descent (a limit)": {},
    "no batch normalisation (a limit)": {},
    "no bias before batch normalisation": {},
    "output layer in the net's precision": {},
    "a fixed image size": {},
    "four steps an execution": {},
    "concatenation, plainly": {},
    "concatenation as a sum of convolutions": {},
    "one operation at a time": {"TF_NUM_INTEROP_THREADS": "1"},
    "two operations at a time, a thread each": {
        "TF_NUM_INTEROP_THREADS": "2",
        "TF_NUM_INTRAOP_THREADS": "1",
    },
    "TensorFlow's BFC allocator": {"TF_CPU_ALLOCATOR_USE_BFC": "1"},
    "the calling thread works too": {"TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD": "1"},
    "mask head as it is": {},
    "mask head, output layer in the net's precision": {},
}
BESIDE = {
    "concatenation as a sum of convolutions": "concatenation, plainly",
    **dict.fromkeys(list(CHANGES)[-2:], "mask head as it is"),
}


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""


def build(change):
    """The net, changed."""
    import keras

    from dnzoo import mask_head, unet

    if change.startswith("mask head"):
        model = mask_head()
        if change == "mask head as it is":
            return model
        head = model.get_layer("masks")
        return keras.Model(model.input, keras.layers.Conv2D(head.filters, 1)(head.input))
    if change.startswith("concatenation"):
        return _plain(change.endswith("convolutions"))
    if change == "no batch normalisation (a limit)":
        return unet((None, None, 3), classes=3, filters=FILTERS, normalization=None)
    if change == "no bias before batch normalisation":
        conv = keras.layers.Conv2D
        keras.layers.Conv2D = lambda *args, **kwargs: conv(
            *args, use_bias="head" in kwargs["name"], **kwargs
        )
        try:
            return unet((None, None, 3), classes=3, filters=FILTERS)
        finally:
            keras.layers.Conv2D = conv
    size = (128, 128, 3) if "fixed" in change else (None, None, 3)
    model = unet(size, classes=3, filters=FILTERS)
    if change == "output layer in the net's precision":
        head = model.get_layer("head")
        return keras.Model(model.input, keras.layers.Conv2D(3, 1)(head.input))
    return model


def _plain(summed):
    """A net of the same convolutions whose concatenations are what they are called, or sums."""
    import keras
    from keras import layers, ops

    from dnzoo.layers import BatchNormalization, Conv2DTranspose

    class Sum(layers.Layer):
        """conv([skip, x]) = conv(skip) + conv(x): nothing is copied together."""

        def __init__(self, filters):
            super().__init__()
            self.filters = filters

        def build(self, shapes):
            self.split = shapes[0][-1]
            depth = sum(shape[-1] for shape in shapes)
            self.kernel = self.add_weight(shape=(3, 3, depth, self.filters))
            self.bias = self.add_weight(shape=(self.filters,), initializer="zeros")

        def call(self, inputs):
            kernels = self.kernel[:, :, : self.split], self.kernel[:, :, self.split :]
            a, b = (ops.conv(x, k, 1, "same") for x, k in zip(inputs, kernels))
            return a + b + self.bias

        def compute_output_shape(self, shapes):
            return (*shapes[0][:-1], self.filters)

    def active(x):
        return layers.ReLU()(BatchNormalization()(x))

    def conv(x, width):
        return layers.Conv2D(width, 3, padding="same")(x)

    image, skips = keras.Input((None, None, 3)), []
    x = image
    for level, width in enumerate(FILTERS):
        x = layers.MaxPooling2D(2)(x) if level else x
        x = active(conv(active(conv(x, width)), width))
        skips.append(x)
    skips.pop()
    for width in FILTERS[-2::-1]:
        pair = [skips.pop(), Conv2DTranspose(width, 2, 2)(x)]
        x = Sum(width)(pair) if summed else conv(layers.Concatenate()(pair), width)
        x = active(conv(active(x), width))
    return keras.Model(image, layers.Conv2D(3, 1, dtype="float32")(x))


def child(change, precision):
    """Train when the parent says so."""
    import keras
    import speed_child
    import speed_train
    import speed_works
    import tensorflow as tf

    from dnzoo import losses, training

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    model = build(change)
    others = {
        "Adam of Keras": keras.optimizers.Adam,
        "gradient descent (a limit)": keras.optimizers.SGD,
    }
    together = 4 if change == "four steps an execution" else 1
    model.compile(
        others.get(change, training.Adam)(),
        keras.losses.BinaryCrossentropy(from_logits=True)
        if "mask head" in change
        else losses.CrossEntropy(),
        jit_compile=False,
        steps_per_execution=together,
    )
    work = speed_works.WORKS["mask_head" if "mask head" in change else "unet"]
    batches = tf.data.Dataset.from_tensors(work.batch()).repeat()
    fitted = speed_train.fitted(model, batches)

    def run(steps):
        fitted(together * steps)
        run.seconds = fitted.seconds / together

    run(1)
    speed_child.serve(run, {})


def main(options):
    rows = table.read(options.out)
    first, *changes, one, other = CHANGES
    for precision in ("mixed_bfloat16", "float32"):
        for group in ([first, *changes[:7]], [first, *changes[7:]], [one, other]):
            if any((row["precision"], row["change"]) == (precision, group[1]) for row in rows):
                continue  # measured before the script was interrupted
            rows += measure(group, precision)
            table.write(options.out, rows)


def measure(changes, precision):
    """A row for each of these changes, which take turns."""
    from speed import Contestant

    from dnzoo import training

    with tempfile.TemporaryDirectory() as folder:
        contestants = [
            Contestant(
                change,
                [__file__, "child", change, precision],
                Path(folder),
                SPEED_DEVICE="cpu",
                **CHANGES[change],
            )
            for change in changes
        ]
        for _ in range(TURNS + 1):
            for contestant in contestants:
                contestant.turn()
    medians = {c.name: statistics.median(c.times) for c in contestants}
    rows = []
    for contestant in contestants:
        change = contestant.name
        beside = BESIDE.get(change, "as it is")
        row = {
            "precision": precision,
            "change": change,
            "step_ms": f"{medians[change]:.1f}",
            "beside": beside,
            "ratio": f"{medians[change] / medians[beside]:.3f}",
            "memory_mb": f"{contestant.end():.0f}",
            **training.environment(),
        }
        print(*list(row.values())[:6], sep="  ", flush=True)
        rows.append(row)
    return rows


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main(tyro.cli(Options, description=__doc__))
