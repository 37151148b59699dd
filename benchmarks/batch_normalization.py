"""What the fused BatchNormalization buys: a U-Net's training step with ours and with Keras's.

Both nets take turns in one process, so that the machine's moods hit both; medians of many steps.
    python benchmarks/batch_normalization.py --out benchmarks/batch_normalization.csv
"""

import dataclasses
import statistics
import time

import keras
import numpy as np
import table
import tyro

from dnzoo import losses, training, unet
from dnzoo.layers import BatchNormalization, blocks


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    steps: int = 15
    """Counted steps of each net."""
    batch_size: int = 8
    size: int = 128


def build(policy, normalization):
    """The U-Net with 32 to 512 filters; its batch normalisations are of the class given."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    before = blocks.normalize
    blocks.normalize = lambda _name, _filters, _momentum, **kwargs: normalization(**kwargs)
    try:
        model = unet((None, None, 3), classes=3, filters=(32, 64, 128, 256, 512))
    finally:
        blocks.normalize = before
    model.compile("adam", losses.CrossEntropy(), jit_compile=False)
    return model


def main(options):
    rng = np.random.default_rng(0)
    shape = (options.batch_size, options.size, options.size)
    images = rng.normal(0, 1, (*shape, 3)).astype("float32")
    masks = rng.integers(0, 3, shape).astype("uint8")
    rows = []
    for policy in ("float32", "mixed_bfloat16"):
        models = {
            "dnzoo": build(policy, BatchNormalization),
            "keras": build(policy, keras.layers.BatchNormalization),
        }
        times = {name: [] for name in models}
        for step in range(options.steps + 2):
            for name, model in models.items():
                started = time.perf_counter()
                model.train_on_batch(images, masks)
                if step > 1:
                    times[name].append(1000 * (time.perf_counter() - started))
        medians = {name: statistics.median(values) for name, values in times.items()}
        for name, values in times.items():
            rows.append(
                {
                    "precision": policy,
                    "normalization": name,
                    "step_ms": f"{medians[name]:.0f}",
                    "fastest_ms": f"{min(values):.0f}",
                    "slowest_ms": f"{max(values):.0f}",
                    "ratio_to_keras": f"{medians[name] / medians['keras']:.2f}",
                    **training.environment(),
                }
            )
            print(rows[-1])
    table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
