"""EfficientNet-Lite0: a small encoder with ImageNet weights (Liu 2020; Tan and Le 2019)."""

import keras

from dnzoo.layers import BatchNormalization, Output, Preprocessing
from dnzoo.layers.base import Tensor
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.storage import pretrained

PRETRAINED = "efficientnet_lite0_imagenet"
# repeats, kernel, stride, expansion, channels of each stage
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, TOP = 32, 1280


@named
def efficientnet_lite0(
    include_top: bool = True,
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    include_preprocessing: bool = True,
) -> keras.Model:
    """EfficientNet-Lite0, called as the networks of keras.applications are.

    EfficientNet-B0 without squeeze-and-excitation and with ReLU6 for swish, so that it
    quantises well: 4,652,008 parameters with 1,000 classes, and 42,016 moving statistics.

    Args:
        include_top: pooling and the dense layer as well.
        weights: None, "imagenet" (the published SavedModel `efficientnet_lite0_imagenet`), or a
            weights file.
        input_shape: (height, width, channels); height and width may be None without the top.
        classes: logits of the top.
        include_preprocessing: raw images (0 to 255) in, (x - 127) / 128 in the graph.

    Raises:
        FileNotFoundError: when the published model is not here; the message says where to get it.

    Source: EfficientNet, arXiv:1905.11946; Lite: TensorFlow's blog, March 2020.

    Example:
        >>> efficientnet_lite0(include_top=False).output_shape
        (None, 7, 7, 1280)
    """
    input_shape = checked_input_shape(input_shape)
    image = x = keras.Input(input_shape, name="image")
    if include_preprocessing:
        x = Preprocessing(1 / 128, -127 / 128, name="preprocessing")(x)
    x = _convolution(x, STEM, 3, 2, "stem")
    for stage, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES, start=1):
        for i in range(repeats):
            x = _block(x, kernel, 1 if i else stride, expansion, channels, f"block{stage}_{i + 1}")
    x = _convolution(x, TOP, 1, 1, "top")
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = keras.layers.Dropout(0.2, name="dropout")(x)
        x = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        x = Output("labels", logits=True)(x)
    model = keras.Model(image, x, name="efficientnet_lite0")
    if weights == "imagenet":
        folder = pretrained.find(PRETRAINED)
        values = pretrained.read_weights(folder, pretrained.read_meta(folder))
        model.set_weights(values if include_top else values[: len(model.weights)])
    elif weights is not None:
        model.load_weights(weights)
    return model


def _block(x: Tensor, kernel: int, stride: int, expansion: int, channels: int, name: str) -> Tensor:
    """Inverted residual: expand, filter each channel, project; a shortcut where shapes allow."""
    shortcut = x
    if expansion > 1:
        x = _convolution(x, expansion * x.shape[-1], 1, 1, f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = _activate(x, f"{name}_depthwise")
    x = keras.layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(x)
    x = _normalize(x, f"{name}_project")
    if stride == 1 and shortcut.shape[-1] == channels:
        x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def _convolution(x: Tensor, filters: int, kernel: int, stride: int, name: str) -> Tensor:
    x = keras.layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)(x)
    return _activate(x, name)


def _activate(x: Tensor, name: str) -> Tensor:
    return keras.layers.ReLU(6.0, name=f"{name}_relu6")(_normalize(x, name))


def _normalize(x: Tensor, name: str) -> Tensor:
    return BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_bn")(x)
