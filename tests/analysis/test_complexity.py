"""Cost against counts by hand, TensorFlow's profiler, PyTorch's counter and XLA's memory plan."""

import keras
import numpy as np
import pytest

from dnzoo import layers as L
from dnzoo import unet
from dnzoo.analysis import complexity, summary
from tests.conftest import child, has, slow

K = keras.layers

# layer, input shape (H, W, C), multiply-accumulates by hand
BY_HAND = {
    "conv": (lambda: K.Conv2D(8, 3, 2, "same"), (9, 8, 4), 5 * 4 * 9 * 4 * 8),
    "grouped conv": (lambda: K.Conv2D(8, 3, groups=2), (9, 8, 4), 7 * 6 * 9 * 2 * 8),
    "depthwise": (lambda: K.DepthwiseConv2D(3, depth_multiplier=2), (9, 8, 4), 7 * 6 * 9 * 8),
    "separable": (lambda: K.SeparableConv2D(5, 3), (9, 8, 4), 7 * 6 * (9 * 4 + 4 * 5)),
    "dense": (lambda: K.Dense(7), (9, 8, 4), 72 * 4 * 7),
    "transposed": (lambda: L.Conv2DTranspose(8, 4, 2, 1), (5, 6, 4), 30 * 16 * 4 * 8),
    "transposed, groups": (lambda: L.Conv2DTranspose(8, 4, 2, 1, groups=2), (5, 6, 4), 30 * 16 * 4 * 4),
    "keras transposed": (lambda: K.Conv2DTranspose(8, 4, 2), (5, 6, 4), 30 * 16 * 4 * 8),
    "1-D": (lambda: L.Conv1DTranspose(8, 4, 2), (5, 4), 5 * 4 * 4 * 8),
    "3-D": (lambda: L.Conv3DTranspose(8, 2, 2), (2, 3, 4, 4), 24 * 8 * 4 * 8),
    "fractional": (lambda: L.FractionalConv2D(8, 4, 2, 1), (5, 6, 4), 10 * 12 * 16 * 4 * 8),
    "depthwise transposed": (lambda: L.DepthwiseConv2DTranspose(4, 2, 1), (5, 6, 4), 30 * 16 * 4),
    "separable transposed": (lambda: L.SeparableConv2DTranspose(8, 4, 2, 1), (5, 6, 4), 30 * 16 * 4 + 120 * 4 * 8),
    "pixel shuffle": (lambda: L.PixelShuffle2D(2), (5, 6, 4), 0),
    "sub-pixel": (lambda: L.SubpixelConv2D(8), (5, 6, 4), 30 * 9 * 4 * 32),
    "resize-conv": (lambda: L.ResizeConv2D(8), (5, 6, 4), 120 * 9 * 4 * 8),
    "bilinear": (lambda: L.Resize2D(2, interpolation="bilinear"), (5, 6, 4), 2 * (10 * 6 + 10 * 12) * 4),
    "bicubic": (lambda: L.Resize2D(2, interpolation="bicubic"), (5, 6, 4), 4 * (10 * 6 + 10 * 12) * 4),
    "antialiased": (lambda: L.Resize2D(0.5, interpolation="bilinear", antialias=True), (6, 6, 4), 4 * (3 * 6 + 3 * 3) * 4),
    "unpooling": (lambda: L.MaxPoolWithSwitches2D(), (6, 6, 4), 0),
    "carafe": (lambda: L.CARAFE(2, 5, 3, 6), (5, 6, 4), 30 * (4 * 6 + 9 * 6 * 100) + 120 * 4 * 25),
    "dysample": (lambda: L.DySample(2, 4), (5, 6, 4), 30 * 4 * 32 + 120 * 4 * 4),
    "upsampling": (lambda: K.UpSampling2D(2, interpolation="bilinear"), (5, 6, 4), 2 * (10 * 6 + 10 * 12) * 4),
    "blur": (lambda: L.Blur(3), (5, 6, 4), 30 * 4 * 3 * 3),
    "squeeze": (lambda: L.SqueezeExcite(2), (5, 6, 4), 4 * 2 + 2 * 4),
    "attention": (lambda: L.SelfAttention2D(2), (5, 6, 4), 30 * (4 * 2 * 3 + 2 * 4) + 30 * 30 * (2 + 2)),
    "block": (lambda: L.ConvBlock(8, residual=True), (5, 6, 4), 30 * (9 * 4 * 8 + 9 * 8 * 8 + 4 * 8)),
    "residual up": (lambda: L.ResidualUpBlock(8, 2, "transposed"), (5, 6, 4), 2 * 30 * 4 * 4 * 8 + 120 * 9 * 8 * 8),
    "spectral": (lambda: L.SpectralNormalization(L.Conv2DTranspose(8, 4, 2, 1)), (5, 6, 4), 30 * 16 * 4 * 8),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    make, shape, expected = BY_HAND[name]
    layer = make()
    found = complexity(layer, shape)
    assert found.macs == expected
    assert found.parameters == sum(int(np.prod(w.shape)) for w in layer.weights)
    made = layer.compute_output_shape((1, *shape))
    made = made[0] if isinstance(made[0], tuple) else made
    assert found.activation_bytes >= 4 * np.prod(made)


def test_unknown_costs_are_named():
    with pytest.raises(ValueError, match=r"no cost is known for mine \(LSTM\)"):
        complexity(K.LSTM(4, name="mine"), (6, 4))

    class Product(K.Layer):
        def call(self, x):
            return keras.ops.einsum("nhwc,nhwd->ncd", x, x)

    with pytest.raises(ValueError, match=r"no cost is known for product/einsum.* \(Einsum\)"):
        complexity(Product(name="product"), (6, 6, 4))


APPLICATIONS = [
    "ConvNeXtTiny",
    "EfficientNetV2B0",
    *(pytest.param(name, marks=slow) for name in ("DenseNet121", "ResNet50")),
]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_keras_applications(name):
    """Convolutions alone; published: 4.5, 2.8, 0.7 and 3.9 billion at 224 x 224."""
    model = getattr(keras.applications, name)(weights=None)
    published = {"ConvNeXtTiny": 4.5, "DenseNet121": 2.8, "EfficientNetV2B0": 0.7, "ResNet50": 3.9}
    assert abs(complexity(model).macs / 1e9 - published[name]) < 0.1


def test_several_inputs():
    gate = complexity(L.AttentionGate(3), [(5, 6, 4), (5, 6, 8)])
    assert gate.macs == 30 * (4 * 3 + 8 * 3 + 3)
    fusion = complexity(L.MultiScaleFusion(3), [(8, 8, 4), (4, 2, 6)])
    assert fusion.macs == 64 * 4 * 3 + 8 * 6 * 3 + 3 * 2 * (8 * 2 + 8 * 8)


def test_published_unet():
    """The U-Net paper's network: 31,030,658 parameters, 150.43 GMAC."""
    model = unet((572, 572, 1), classes=2, padding="valid", normalization=None)
    found = complexity(model)
    assert found.parameters == found.trainable_parameters == 31_030_658
    assert round(found.macs / 1e9, 2) == 150.43
    assert [row.name for row in found.layers[-2:]] == ["head", "output"]
    assert found.layers[-1].output_shape == (1, 388, 388, 2) and found.layers[-1].macs == 0
    assert sum(row.parameters for row in found.layers) == found.parameters


def chain():
    image = keras.Input((16, 16, 4))
    x = K.Conv2D(8, 3, 2, "same")(image)
    x = K.DepthwiseConv2D(3, padding="same")(x)
    x = L.Blur()(L.Conv2DTranspose(6, 4, 2, "same")(x))
    x = L.SubpixelConv2D(4)(x)
    x = K.Dense(5)(K.GlobalAveragePooling2D()(x))
    return keras.Model(image, x)


NETS = {
    "chain": chain,
    "unet": lambda: unet((32, 32, 3), classes=3, filters=(4, 8, 16), skip="attention"),
    "encoder": lambda: unet((64, 64, 3), 3, encoder="efficientnet_lite0", filters=(8,) * 5),
    "mobile": lambda: keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, weights=None),
}


@pytest.mark.parametrize("name", ["chain", "unet", pytest.param("encoder", marks=slow), "mobile"])
def test_equals_tensorflow_profiler(name):
    """Two floating point operations a multiply-accumulate, in every product that TensorFlow does."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = NETS[name]()
    specification = tf.TensorSpec((1, *model.input_shape[1:]))
    function = tf.function(lambda x: model(x), input_signature=[specification])
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    kinds = ["Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul", "BatchMatMulV2"]
    options = {**options, "output": "none", "account_type_regexes": kinds}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen.graph.as_graph_def(), name="")
        found = tf.compat.v1.profiler.profile(graph, options=options)
    assert found.total_float_ops == 2 * complexity(model).macs


def test_equals_pytorch_flop_counter():
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    pairs = [
        (nn.Conv2d(4, 8, 3, 2, 1), K.Conv2D(8, 3, 2, "same")),
        (nn.Conv2d(8, 8, 3, 1, 1, groups=8), K.DepthwiseConv2D(3, padding="same")),
        (nn.ConvTranspose2d(8, 6, 4, 2, 1), L.Conv2DTranspose(6, 4, 2, 1)),
        (nn.ConvTranspose2d(6, 6, 3, 2, 1, 1), L.Conv2DTranspose(6, 3, 2, 1, 1)),
        (nn.Conv2d(6, 5, 1), K.Conv2D(5, 1)),
    ]
    image = x = keras.Input((16, 16, 4))
    for _, layer in pairs:
        x = layer(x)
    with FlopCounterMode(display=False) as counter:
        nn.Sequential(*(module for module, _ in pairs))(torch.zeros(1, 4, 16, 16))
    assert counter.get_total_flops() == 2 * complexity(keras.Model(image, x)).macs


MEMORY = """
import keras
from benchmarks.xla_plan import planned_bytes
from dnzoo import unet, layers as L
from dnzoo.analysis import complexity

def generator():
    x = image = keras.Input((8, 8, 64))
    for filters in (64, 32, 16):
        x = L.Conv2DTranspose(filters, 4, 2, 1, use_bias=False)(x)
        x = keras.layers.ReLU()(L.BatchNormalization()(x))
    return keras.Model(image, keras.layers.Conv2D(3, 1)(x))

def plain():
    x = image = keras.Input((64, 64, 3))
    for _ in range(4):
        x = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    return keras.Model(image, keras.layers.Conv2D(3, 1)(x))

NETS = [
    (unet((64, 64, 3), classes=3, filters=(16, 32, 64, 128)), 4),
    (unet((64, 64, 3), classes=3, filters=(16, 32, 64, 128), normalization=None), 4),
    (unet((64, 64, 3), classes=3, filters=(16, 32, 64), residual=True, upsampling="bilinear"), 4),
    (unet((64, 64, 3), classes=3, filters=(16, 32, 64), upsampling="subpixel", normalization="layer"), 8),
    (unet((64, 64, 3), classes=3, filters=(16, 32, 64), upsampling="separable"), 4),
    (generator(), 16),
    (plain(), 4),
]

for model, batch in NETS:
    print("RATIO", complexity(model, batch_size=batch).training_bytes / planned_bytes(model, batch))
"""


def test_training_memory_is_within_15_percent_of_xla():
    """Adam's step, weights and optimiser written over: arguments and temporaries of XLA on a CPU."""
    if not has("jax"):
        pytest.skip("make test-all asks XLA")
    done = child(MEMORY, env={"KERAS_BACKEND": "jax"})
    ratios = [float(line.split()[1]) for line in done.stdout.splitlines() if "RATIO" in line]
    assert len(ratios) == 7 and all(0.85 < ratio < 1.15 for ratio in ratios), ratios


def test_summary(capsys):
    summary(unet((32, 32, 3), filters=(4, 8), classes=3), batch_size=4)
    printed = capsys.readouterr().out
    for expected in ("encoder", "up_1", "32 x 32 x 3", "total"):
        assert expected in printed
    assert "a training step on 4 images with Adam holds" in printed
    total = complexity(unet((32, 32, 3), filters=(4, 8), classes=3))
    assert f"{total.parameters:,}" in printed
