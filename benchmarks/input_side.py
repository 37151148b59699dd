"""Does the input side keep up? Images a second of the batches beside those that a training step eats.

For each published model its recipe's batches (shuffled, augmented, memory-mapped), and the same model's
training on one batch again and again. Then folders of JPEG and PNG, 256 x 256, which are decoded once
and kept as arrays: what decoding costs, and the batches from then on, for the FCN-8s that is the fastest net
for segmentation here. Five minutes on 2 cores; needs the data of all:
    python benchmarks/input_side.py --data-dir data --out benchmarks/input_side.csv
"""

import dataclasses
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import recipes_of
import table
import tensorflow as tf
import tyro
from PIL import Image

from dnzoo import fcn8s
from dnzoo.data import segmentation
from dnzoo.tasks import Segmentation
from dnzoo.training import Config, devices
from dnzoo.training.environment import environment

SECONDS, FILES, SIZE = 4.0, 400, 256


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    data_dir: str = "data"
    """Where prepared data is kept."""


def delivered(batches):
    """Images a second that come out of the batches."""
    list(batches.dataset(0, 60))  # files of the arrays come into memory
    count = max(int(SECONDS / _seconds(lambda: list(batches.dataset(0, 4))) * 4), 4)
    return count * batches.batch_size / _seconds(lambda: list(batches.dataset(0, count)))


def eaten(config, task, build):
    """Images a second of training steps on one batch, in the precision that `auto` chooses."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(devices.precision("auto"))
    model = build()
    keras.config.set_dtype_policy("float32")
    optimizer = config.optimizer(config.stages()[0], 1000)
    model.compile(optimizer, task.loss, jit_compile=devices.jit_compile())
    batch = next(iter(task.train.dataset(0, 1)))
    batches = tf.data.Dataset.from_tensors(batch).repeat()
    model.fit(batches, steps_per_epoch=3, verbose=0)
    one = _seconds(lambda: model.fit(batches, steps_per_epoch=3, verbose=0)) / 3
    steps = max(int(SECONDS / one), 3)
    seconds = _seconds(lambda: model.fit(batches, steps_per_epoch=steps, verbose=0))
    return steps * task.train.batch_size / seconds


def _seconds(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def folder_of(kind, folder):
    """A folder of images of a kind with masks: noise that has been blurred, as hard as photographs."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(FILES):
        small = Image.fromarray(rng.integers(0, 256, (64, 64, 3), "uint8"))
        small.resize((SIZE, SIZE), Image.BICUBIC).save(folder / f"images/{number}.{kind}")
        mask = Image.fromarray(rng.integers(0, 5, (SIZE, SIZE), "uint8"))
        mask.save(folder / f"masks/{number}.png")


def fastest():
    return fcn8s(
        (SIZE, SIZE, 3),
        classes=5,
        encoder="efficientnet_lite0",
        fc_filters=256,
        include_preprocessing=True,
    )


def main(options):
    rows = []

    def add(name, rate, eats, note=""):
        ratio = f"{rate / eats:.1f}" if eats else ""
        numbers = {
            "delivered": f"{rate:.0f}",
            "eaten": f"{eats:.0f}" if eats else "",
            "ratio": ratio,
        }
        rows.append({"batches": name, **numbers, "note": note, **environment()})
        print(*list(rows[-1].values())[:5], sep="  ", flush=True)
        table.write(options.out, rows)

    for name in recipes_of.names():
        config, task, build = recipes_of.setup(name, options.data_dir)
        add(name, delivered(task.train), eaten(config, task, build))
    for kind in ("jpg", "png"):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "images_of_mine")
            folder_of(kind, folder)
            started = time.perf_counter()
            data = segmentation.load(str(folder), place, SIZE)
            decoded = FILES / (time.perf_counter() - started)
            config = Config(data=str(folder), out="", batch_size=8)
            task = Segmentation(data, config)
            add(f"folder of {kind}, decoding", decoded, 0, "once, before the first epoch")
            note = f"{SIZE} x {SIZE}, batch 8, FCN-8s with EfficientNet-Lite0"
            add(f"folder of {kind}", delivered(task.train), eaten(config, task, fastest), note)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
