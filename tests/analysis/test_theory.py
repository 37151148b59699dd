"""What docs/theory.md says of phases, gradients, reconstruction, deep decoders and losses."""

import keras
import numpy as np
import pytest
from keras import ops

from dnzoo import analysis, layers
from dnzoo.analysis import reconstruction
from dnzoo.analysis.propagation import propagation
from dnzoo.analysis.reconstruction import channels_error, reconstruction_error

L = keras.layers


def falling(size):
    """A spectrum as photographs have it."""
    f = np.fft.fftfreq(size) * size
    return size**2 / (1 + f[:, None] ** 2 + f**2)


def test_error_is_that_of_the_projection():
    """On periodic images of that spectrum: least squares with every kernel at every place."""
    size, stride, rng = 12, 2, np.random.default_rng(0)
    kernels, power = rng.normal(size=(3, 3, 2)), falling(size)
    columns = []
    for row, column, channel in np.ndindex(size // stride, size // stride, 2):
        image = np.zeros((size, size))
        image[:3, :3] = kernels[..., channel]
        columns.append(np.roll(image, (row * stride, column * stride), (0, 1)).ravel())
    span = np.array(columns).T
    # the covariance of periodic images with this spectrum
    cosines = np.fft.ifft2(power).real
    shifts = [
        np.roll(cosines, (row, column), (0, 1)).ravel() for row, column in np.ndindex(size, size)
    ]
    missing = np.eye(size**2) - span @ np.linalg.pinv(span)
    expected = np.trace(missing @ np.array(shifts)) / size**2
    assert abs(reconstruction_error(kernels, power, stride) / expected - 1) < 1e-9


def test_a_box_keeps_the_means_of_blocks():
    """Of a periodic picture, at all places of the blocks."""
    picture = np.cumsum(np.random.default_rng(0).normal(size=(63, 63)), 0)
    picture -= picture.mean()
    power = np.abs(np.fft.fft2(picture)) ** 2 / picture.size
    moved = [np.roll(picture, shift, (0, 1)).reshape(21, 3, 21, 3) for shift in np.ndindex(3, 3)]
    expected = np.mean([(x - x.mean((1, 3), keepdims=True)) ** 2 for x in moved])
    assert abs(reconstruction_error(np.ones((3, 3, 1)), power, 3) / expected - 1) < 1e-9


def test_no_kernel_beats_the_strongest_frequencies():
    power, rng = falling(16), np.random.default_rng(0)
    for channels in range(1, 4):
        least = channels_error(channels, power, 2)
        for taps in (2, 4, 16):
            assert reconstruction_error(rng.normal(size=(taps, taps, channels)), power, 2) > least
    # a sinc, periodic, is the best single kernel
    f = np.abs(np.fft.fftfreq(16))
    low = (f < 0.25).astype(float)
    sinc = np.fft.ifft2(np.outer(low, low)).real[..., None]
    assert reconstruction_error(sinc, power, 2) < 1.1 * channels_error(1, power, 2)
    assert channels_error(4, power, 2) == 0
    assert reconstruction_error(rng.normal(size=(2, 2, 4)), power, 2) < 1e-9 * power.mean()


def test_gradient_of_the_error():
    power, rng = falling(12), np.random.default_rng(0)
    kernels = rng.normal(size=(4, 4, 2))
    _, gradient = reconstruction.error_and_gradient(kernels, power, 3)
    for place in ((0, 0, 0), (3, 1, 1), (2, 2, 0)):
        step = np.zeros_like(kernels)
        step[place] = 1e-5
        up, down = (reconstruction_error(kernels + s * step, power, 3) for s in (1, -1))
        assert abs((up - down) / 2e-5 - gradient[place]) < 1e-6 * np.abs(gradient).max()


CHAINS = {
    "transposed": lambda f: layers.Conv2DTranspose(f, 4, 2, 1, kernel_initializer="he_normal"),
    "sub-pixel": lambda f: layers.SubpixelConv2D(f, icnr=False),
    "sub-pixel, ICNR": lambda f: layers.SubpixelConv2D(f, kernel_initializer="he_normal"),
    "nearest": lambda f: layers.ResizeConv2D(f, kernel_initializer="he_uniform"),
    "convolution": lambda f: L.Conv2D(f, 3, padding="same", kernel_initializer="lecun_normal"),
}
ACTIVATIONS = {
    "relu": L.ReLU,
    "leaky": lambda: L.LeakyReLU(negative_slope=0.3),
    "tanh": lambda: L.Activation("tanh"),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gains_of_a_deep_decoder(name, activation):
    """Three layers, wide, within 15 % forward and 25 % back: as deep as eight initialisations tell."""

    def chain():
        made = []
        for filters in (96, 64, 96):
            made += [CHAINS[name](filters), ACTIVATIONS[activation]()]
        return made

    rng, forward, backward = np.random.default_rng(0), [], []
    for seed in range(8):
        keras.utils.set_random_seed(seed)
        x = ops.convert_to_tensor(rng.normal(size=(1, 8, 8, 64)).astype("float32"))
        made = chain()
        values, gradient = through(made, x, rng)
        forward.append([_inside(value) for value in values])
        backward.append(_inside(gradient))
    expected = propagation(chain(), 64, mean_square=1.0)
    for measured, (predicted, _) in zip(np.mean(forward, 0), expected):
        assert abs(measured / predicted - 1) < 0.15
    assert abs(np.mean(backward) / np.prod([gain for _, gain in expected]) - 1) < 0.25


def _inside(values):
    """The mean square, away from the border."""
    values = np.asarray(values, "float64")
    cut = values.shape[1] // 4
    return (values[:, cut:-cut, cut:-cut] ** 2).mean()


def through(chain, x, rng):
    """Outputs of all layers, and the gradient of the input for a white one of the output."""
    import tensorflow as tf

    values = []
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for layer in chain:
            y = layer(y)
            values.append(y)
        white = rng.normal(size=y.shape).astype("float32")
        loss = ops.sum(y * white)
    return values, tape.gradient(loss, x)


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (4, 2), (5, 3)])
@pytest.mark.parametrize("mean", [0.0, 0.05])
def test_variance_over_phases(kernel, stride, mean):
    """Of a constant picture: the random part, and the overlap's where the kernel has a mean."""
    depth, deviation, level, draws = 8, 0.1, 1.5, 400
    layer = layers.Conv2DTranspose(draws, kernel, stride, padding=0, use_bias=False)
    layer.build((None, 6, 6, depth))
    weights = np.random.default_rng(0).normal(mean, deviation, layer.kernel.shape)
    layer.set_weights([weights.astype("float32")])
    y = np.asarray(layer(level * ops.ones((1, 6, 6, depth))))[0]
    found = y[2 * stride : 3 * stride, 2 * stride : 3 * stride].var((0, 1))
    random = (1 - 1 / stride**2) * kernel**2 / stride**2 * level**2 * depth * deviation**2
    overlap = (level * depth * mean) ** 2 * analysis.overlap((kernel, kernel), stride).var()
    assert abs(np.mean(found) / (random + overlap) - 1) < 0.1


@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_gradient_of_a_strided_convolution_has_a_checkerboard(kernel):
    """It is what a transposed convolution makes of the output's gradient: counts and spectrum."""
    import tensorflow as tf

    def gradient(x, initializer, upstream):
        conv = L.Conv2D(8, kernel, 2, use_bias=False, kernel_initializer=initializer)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = conv(x)
            loss = ops.sum(y * upstream(y.shape))
        return np.asarray(tape.gradient(loss, x))

    counts = gradient(tf.ones((1, 16, 16, 1)), "ones", np.ones)[0, 4:6, 4:6, 0] / 8
    np.testing.assert_array_equal(counts, analysis.overlap((kernel, kernel), 2))
    rng, size, powers = np.random.default_rng(0), 32, []
    for seed in range(100):
        x = tf.zeros((1, 48 + kernel - 2, 48 + kernel - 2, 16))
        made = gradient(
            x,
            keras.initializers.RandomNormal(stddev=0.2, seed=seed),
            lambda shape: rng.normal(1.0, 0.3, shape).astype("float32"),
        )
        powers.append(analysis.power_spectrum(made[:, 8 : 8 + size, 8 : 8 + size]))
    backwards = layers.Conv2DTranspose(
        16, kernel, 2, kernel_initializer=keras.initializers.RandomNormal(stddev=0.2)
    )
    expected = analysis.spectrum(backwards, size, depth=8, mean=1.0, deviation=0.3)
    measured = analysis.checkerboard(power=np.mean(powers, 0))
    assert abs(measured / analysis.checkerboard(power=expected) - 1) < 0.1
    assert abs(np.mean(powers) / expected.mean() - 1) < 0.05


def test_residual_blocks_add_mean_squares():
    """y = F(x) + x: forward and backward 1 + g in place of g, with F three layers deep."""

    def branch():
        he = dict(padding="same", kernel_initializer="he_normal")
        return [L.Conv2D(64, 3, **he), L.ReLU(), L.Conv2D(64, 3, **he)]

    rng, forward, backward = np.random.default_rng(0), [], []
    for seed in range(8):
        keras.utils.set_random_seed(seed)
        image = keras.Input((12, 12, 64))
        y = image
        for layer in branch():
            y = layer(y)
        block = keras.Model(image, L.Add()([image, y]))
        x = ops.convert_to_tensor(rng.normal(size=(4, 12, 12, 64)).astype("float32"))
        (value,), gradient = through([block], x, rng)
        forward.append(_inside(value))
        backward.append(_inside(gradient))
    gains = propagation(branch(), 64, mean_square=1.0)
    assert abs(np.mean(forward) / (1 + gains[-1][0]) - 1) < 0.1
    assert abs(np.mean(backward) / (1 + np.prod([back for _, back in gains])) - 1) < 0.1


@pytest.mark.parametrize(("loss", "expected"), [("mse", "mean"), ("mae", "median")])
def test_loss_asks_for_the_mean_or_the_median(loss, expected):
    """Of three sharp pictures that explain one input: the mean is blurred, the median is not."""
    edges = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 1, 1, 1]], "float32")
    shares = np.array([2, 2, 1, 2])
    pictures = edges.repeat(shares, axis=0)
    model = keras.Sequential([keras.Input((1,)), L.Dense(4, use_bias=False)])
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([300, 600], [0.03, 0.003, 0.0003])
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False, steps_per_execution=100)
    model.optimizer.build(model.trainable_variables)
    steps = np.tile(pictures, (900, 1))
    model.fit(np.ones((len(steps), 1)), steps, batch_size=7, shuffle=False, verbose=0)
    made = np.asarray(model(np.ones((1, 1))))[0]
    wanted = {"mean": pictures.mean(0), "median": np.median(pictures, 0)}[expected]
    np.testing.assert_allclose(made, wanted, atol=5e-3)


def test_mean_squared_error_shrinks_what_can_not_be_known():
    """The best linear map of noisy pictures is the Wiener filter; the lost power is the error."""
    size, count, rng = 8, 200_000, np.random.default_rng(0)
    f = np.abs(np.fft.fftfreq(size) * size)
    signal, noise = 4 / (1 + f**2), np.full(size, 0.5)

    def drawn(power):
        white = np.fft.fft(rng.normal(size=(count, size)))
        return np.fft.ifft(white * np.sqrt(power)).real

    truth = drawn(signal)
    seen = truth + drawn(noise)
    best = np.linalg.lstsq(seen, truth, rcond=None)[0]
    share = signal / (signal + noise)
    gains = (np.fft.fft(np.eye(size)) @ best @ np.fft.ifft(np.eye(size))).diagonal()
    np.testing.assert_allclose(gains.real, share, atol=0.01)
    made = seen @ best
    lost = np.mean(truth**2) - np.mean(made**2)
    assert abs(lost / np.mean((truth - made) ** 2) - 1) < 0.02
    assert abs(lost / np.mean(signal * (1 - share)) - 1) < 0.02


def test_bad_input():
    with pytest.raises(ValueError, match=r"takes kernels .* got \(3, 3\), \(8, 8\)"):
        reconstruction_error(np.ones((3, 3)), np.ones((8, 8)), 2)
    with pytest.raises(ValueError, match=r"strides=3"):
        reconstruction_error(np.ones((3, 3, 1)), np.ones((8, 8)), 3)
    with pytest.raises(ValueError, match="no formula is known for CARAFE"):
        propagation([layers.CARAFE()], 4)
