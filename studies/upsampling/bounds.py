"""How good can a linear decoder be, and does training get there?

A linear autoencoder of grey photographs: a convolution of 16 x 16 with stride 2 to C channels, then an
operator to one. The least error of each operator for the test photographs' power spectrum, its kernels
chosen by minimisation of the closed form; what kernels that are best for the training photographs'
spectrum allow on the test's, which is what training can be expected to reach; and what Adam reaches. Half
an hour on 2 cores; a second start goes on where the first ended:
    python studies/upsampling/bounds.py --out studies/upsampling/bounds.csv
"""

import dataclasses
import sys
from pathlib import Path

import keras
import numpy as np
import tyro
from scipy import optimize

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import table
from operators import OPERATORS

from dnzoo.analysis import power_spectrum
from dnzoo.analysis.checkerboard import hann
from dnzoo.analysis.reconstruction import (
    channels_error,
    error_and_gradient,
    reconstruction_error,
)
from dnzoo.data import Batches, photographs
from dnzoo.metrics import similarity
from dnzoo.training.environment import environment

STRIDE, SIZE, EDGE = 2, 64, 16  # of training patches, and what of them the loss leaves out
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
    rate: float = 1e-2
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


def best_kernels(name, channels, power, starts=4, seed=0):
    """The operator's kernels, (k, k, channels), with the least mean squared error for a power spectrum."""
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
    found = [
        optimize.minimize(error, x, jac=True, method="L-BFGS-B", options={"maxiter": 2000})
        for x in begins
    ]
    best = min(found, key=lambda result: result.fun)
    return widened(best.x.reshape(shape), fixed)


def decoder(name, channels, image):
    x = image
    for layer in OPERATORS[name].make(1):
        x = layer(x)
    if name == "bilinear_fixed" and channels > 1:
        x = keras.layers.Conv2D(1, 1, use_bias=False)(x)
    return x


def trained(name, channels, train, test, options):
    """Mean squared error on the test tiles, as `power_spectrum` weighs their pixels."""
    keras.utils.set_random_seed(options.seed)
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(channels, 16, STRIDE, "same", use_bias=False)(image)
    model = keras.Model(image, decoder(name, channels, x))
    cropped = keras.Sequential([model, keras.layers.Cropping2D(EDGE)])
    schedule = keras.optimizers.schedules.CosineDecay(options.rate, options.steps)
    cropped.compile(keras.optimizers.Adam(schedule), "mse", jit_compile=False)
    inside = (slice(None), slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    batches = Batches(
        train, batch_size=32, seed=options.seed, augment=lambda rows, rng: (rows, rows[inside])
    )
    cropped.fit(batches.dataset(0, options.steps), verbose=0)
    window = hann(test.shape[1])
    weights = np.multiply.outer(window, window) ** 2
    squares = (model.predict(test, batch_size=4, verbose=0) - test)[..., 0] ** 2
    return float((squares.mean(0) * weights).sum() / weights.sum())


def patches(tiles, count, seed):
    """Patches without their mean, (count, SIZE, SIZE, 1)."""
    rng = np.random.default_rng(seed)
    places = rng.integers(0, tiles.shape[1] - SIZE + 1, (count, 2))
    rows = rng.integers(0, len(tiles), count)
    found = np.stack([tiles[r, i : i + SIZE, j : j + SIZE] for r, (i, j) in zip(rows, places)])
    return found - found.mean((1, 2), keepdims=True)


def grey(tiles):
    """(n, H, W, 1) float32 without each tile's mean under the window.

    Every operator can write a constant, and its line would spread over the frequencies beside 0.
    """
    found = similarity.luma(np.asarray(tiles)).astype("float32")
    window = hann(found.shape[1])
    weights = (np.multiply.outer(window, window) ** 2)[None, :, :, None]
    return found - (found * weights).sum((1, 2), keepdims=True) / weights.sum()


def psnr(error):
    return 10 * np.log10(255**2 / error)


def psnr_of(kernels, power):
    return psnr(reconstruction_error(kernels, power, STRIDE))


def main(options):
    data = photographs.load(options.data, options.data_dir, 2)
    tiles = grey(data.splits["train"][1])
    train, test = patches(tiles, 8000, options.seed), grey(data.splits["validation"][1])
    power, trained_on = power_spectrum(test), power_spectrum(tiles)
    rows = table.read(options.out)
    done = {(row["operator"], row["channels"]) for row in rows}
    for channels in options.channels:
        most = psnr(channels_error(channels, power, STRIDE))
        for name in KERNELS:
            if (name, str(channels)) in done:
                continue
            bound = psnr_of(best_kernels(name, channels, power), power)
            expected = psnr_of(best_kernels(name, channels, trained_on), power)
            reached = psnr(trained(name, channels, train, test, options))
            rows.append(
                {
                    "operator": name,
                    "channels": channels,
                    "any_kernel_db": f"{most:.3f}",
                    "bound_db": f"{bound:.3f}",
                    "expected_db": f"{expected:.3f}",
                    "reached_db": f"{reached:.3f}",
                    "gap_db": f"{bound - reached:.3f}",
                    **environment(),
                }
            )
            print(*list(rows[-1].values())[:7], sep="  ", flush=True)
            table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
