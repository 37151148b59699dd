"""How good can a linear decoder be, and does training get there?

A linear autoencoder of grey photographs: a convolution of 16 x 16 with stride 2 to C channels, then an
operator to one. The least error of each operator for the photographs' power spectrum, its kernels chosen
by minimisation of the closed form; beside it what Adam reaches. Ten minutes on 2 cores:
    python benchmarks/upsampling/bounds.py --out benchmarks/upsampling/bounds.csv
"""

import dataclasses
import sys
from pathlib import Path

import keras
import numpy as np
import tyro
from scipy import optimize

sys.path.append(str(Path(__file__).parent.parent))

import table
from operators import OPERATORS

from dnzoo.analysis import power_spectrum
from dnzoo.analysis.reconstruction import channels_error, error_and_gradient
from dnzoo.data import photographs
from dnzoo.metrics import similarity
from dnzoo.training.environment import environment

STRIDE, SIZE, EDGE = 2, 64, 16
NAMES = (
    *("transposed_k2", "transposed_k3", "transposed_k4", "transposed_blur"),
    *("subpixel_icnr", "nearest", "bilinear", "bilinear_fixed"),
)
BOX, TENT, BINOMIAL = np.ones(2), np.array([1, 3, 3, 1]) / 4, np.array([1, 2, 1]) / 4
# taps that are free, and what they are convolved with
KERNELS = {
    "transposed_k2": (2, None),
    "transposed_k3": (3, None),
    "transposed_k4": (4, None),
    "transposed_blur": (4, BINOMIAL),
    "subpixel_icnr": (6, None),
    "nearest": (3, BOX),
    "bilinear": (3, TENT),
    "bilinear_fixed": (1, TENT),
}


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    data: str = "photographs"
    """What recipes/super_resolution.py --data takes."""
    data_dir: str = "data"
    channels: tuple[int, ...] = (1, 2, 3)
    steps: int = 3000
    seed: int = 0


def widened(weights, fixed):
    """Kernels: the weights, each convolved with the fixed one on both axes."""
    return weights if fixed is None else _matrix(weights, fixed)[0]


def _matrix(weights, fixed):
    taps, wide = len(weights), len(weights) + len(fixed) - 1
    matrix = np.array(
        [[fixed[i - j] if 0 <= i - j < len(fixed) else 0 for j in range(taps)] for i in range(wide)]
    )
    return np.einsum("ia,jb,abc->ijc", matrix, matrix, weights), matrix


def least_error(name, channels, power, starts=4, seed=0):
    """The least mean squared error that the operator's kernels allow."""
    (taps, fixed), rng = KERNELS[name], np.random.default_rng(seed)
    shape = (taps, taps, channels)

    def error(flat):
        weights = flat.reshape(shape)
        value, gradient = error_and_gradient(widened(weights, fixed), power, STRIDE)
        if fixed is not None:
            _, matrix = _matrix(weights, fixed)
            gradient = np.einsum("ia,jb,ijc->abc", matrix, matrix, gradient)
        return value, gradient.ravel()

    begins = [rng.normal(size=shape).ravel() + 1 / taps for _ in range(starts)]
    return min(
        optimize.minimize(error, x, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).fun
        for x in begins
    )


def trained(name, channels, train, test, options):
    """Mean squared error on the test pictures, away from the border, after training."""
    keras.utils.set_random_seed(options.seed)
    image = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Conv2D(channels, 16, STRIDE, "same", use_bias=False)(image)
    for layer in OPERATORS[name].make(1):
        x = layer(x)
    if name == "bilinear_fixed" and channels > 1:
        x = keras.layers.Conv2D(1, 1, use_bias=False)(x)
    cropped = keras.layers.Cropping2D(EDGE)
    model = keras.Model(image, cropped(x))
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, options.steps)
    model.compile(keras.optimizers.Adam(schedule), "mse", jit_compile=False)
    inside = (slice(None), slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    order = np.random.default_rng(options.seed)
    for _ in range(0, options.steps, 500):
        rows = order.integers(0, len(train), 500 * 32)
        model.fit(train[rows], train[rows][inside], batch_size=32, verbose=0)
    return float(np.mean((model.predict(test, verbose=0) - test[inside]) ** 2))


def patches(data, split, count, seed):
    """Grey patches without their common mean, (count, SIZE, SIZE, 1)."""
    tiles = similarity.luma(np.asarray(data.splits[split][1]))
    rng = np.random.default_rng(seed)
    places = rng.integers(0, tiles.shape[1] - SIZE + 1, (count, 2))
    rows = rng.integers(0, len(tiles), count)
    found = np.stack([tiles[r, i : i + SIZE, j : j + SIZE] for r, (i, j) in zip(rows, places)])
    return found.astype("float32")


def psnr(error):
    return 10 * np.log10(255**2 / error)


def main(options):
    data = photographs.load(options.data, options.data_dir, 2)
    train, test = patches(data, "train", 8000, 0), patches(data, "validation", 4000, 1)
    mean = train.mean()
    train, test = train - mean, test - mean
    power = power_spectrum(test)
    rows = []
    for channels in options.channels:
        most = psnr(channels_error(channels, power, STRIDE))
        for name in NAMES:
            bound = psnr(least_error(name, channels, power))
            reached = psnr(trained(name, channels, train, test, options))
            rows.append(
                {
                    "operator": name,
                    "channels": channels,
                    "any_kernel_db": f"{most:.3f}",
                    "bound_db": f"{bound:.3f}",
                    "reached_db": f"{reached:.3f}",
                    "gap_db": f"{bound - reached:.3f}",
                    **environment(),
                }
            )
            print(*list(rows[-1].values())[:6], sep="  ", flush=True)
            table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
