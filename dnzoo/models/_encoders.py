"""Encoders: the half of a network that looks, from keras.applications, here, or the user."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from dnzoo.layers import Preprocessing
from dnzoo.models._channels import adapt, cycle
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.models._dilation import dilate
from dnzoo.models.efficientnet_lite import efficientnet_lite0

PROBE = 256  # a size that every stride up to 64 divides
STRIDES = (1, 2, 4, 8, 16, 32, 64)


class Encoder(NamedTuple):
    """A network that looks at images, as decoders use it.

    Attributes:
        net: `keras.Model` named "encoder", one output for each stride, fine to coarse.
        strides: of its outputs.
        preprocessing: the layer that the image passes first, or None.
    """

    net: keras.Model
    strides: list[int]
    preprocessing: keras.Layer | None = None

    def preprocessed(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The image as the network wants it, for `__call__`."""
        return image if self.preprocessing is None else self.preprocessing(image)

    def __call__(self, image: keras.KerasTensor) -> dict[int, keras.KerasTensor]:
        """{stride: features} of a preprocessed image, fine to coarse."""
        found = self.net(image)
        return dict(zip(self.strides, found if isinstance(found, list) else [found]))


def build(
    encoder: str | keras.Model,
    channels: int = 3,
    weights: str | Path | None = None,
    include_preprocessing: bool | None = None,
    pooled: bool = False,
    output_stride: int | None = None,
) -> Encoder:
    """A model from an image to its features, one for each stride the network has.

    Args:
        encoder: the name of a keras.applications network in any case ("resnet50",
            "EfficientNetB0", "efficientnet_b0"), "efficientnet_lite0" (its ImageNet weights come
            with dnzoo), or a functional Keras model: its outputs are the features; if it has one,
            the last tensor at each stride is taken as well.
        channels: of the image. Pretrained first convolutions are adapted: summed for 1 channel,
            else repeated cyclically and scaled by 3 / channels.
        weights: None, "imagenet", or a weights file that fits the named network without its top.
        include_preprocessing: True: raw images (0 to 255) come in, and are normalised as the
            network's weights expect, or to [-1, 1] for a model. None: for a named network only.
        pooled: take what the poolings put out, of a network that ends in one (VGG), rather than the
            last tensor at each stride.
        output_stride: 8, 16 or 32: coarser features have that stride too, with dilated kernels and
            the same weights (`_dilation.dilate`). None: as the network is.

    Returns:
        `Encoder`: called with a preprocessed image it gives {stride: features}. BatchNormalization
        is dnzoo's in a named network.

    Raises:
        ValueError: for an unknown name, a network without features at powers of two, or arguments
            that do not go together.
        OSError: when the weights can't be fetched or read.

    Example:
        >>> build("mobilenetv2").strides
        [2, 4, 8, 16, 32]
        >>> build("mobilenetv2", output_stride=8).strides
        [2, 4, 8]
    """
    if isinstance(encoder, keras.Model):
        return _from_model(encoder, channels, weights, bool(include_preprocessing), output_stride)
    include_preprocessing = include_preprocessing is not False
    return _from_name(encoder, channels, weights, include_preprocessing, pooled, output_stride)


@named
def features(
    encoder: str | keras.Model = "efficientnet_lite0",
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    output_stride: int | None = None,
) -> keras.Model:
    """What a network sees in an image, at each of its strides: for perceptual losses, or to cut from.

    Args:
        encoder: as for `unet`.
        weights: None, "imagenet" or a weights file, for a named encoder.
        input_shape: (height, width, channels) of the images, raw (0 to 255) for a named encoder.
        output_stride: 8, 16 or 32: no feature is coarser, kernels are dilated instead.

    Returns:
        `keras.Model`, (N, H, W, channels) -> a list of (N, H / stride, W / stride, ·), fine to coarse.

    Raises:
        ValueError, OSError: as `unet` does for an encoder.

    Example:
        >>> [shape[1] for shape in features("mobilenetv2", input_shape=(64, 64, 3)).output_shape]
        [32, 16, 8, 4, 2]
    """
    input_shape = checked_input_shape(input_shape)
    built = build(encoder, input_shape[-1], weights, output_stride=output_stride)
    image = keras.Input(input_shape, name="image")
    # a list: a saved model's dictionary has text for keys, which sort otherwise
    found = list(built(built.preprocessed(image)).values())
    return keras.Model(image, found, name="features")


def names() -> list[str]:
    """The names that `encoder=` takes, lower-case."""
    return sorted(_constructors())


def _constructors() -> dict[str, Callable[..., keras.Model]]:
    found = {name: getattr(keras.applications, name) for name in dir(keras.applications)}
    functions = {name.lower(): value for name, value in found.items() if inspect.isfunction(value)}
    return {**functions, "efficientnetlite0": efficientnet_lite0}


def _from_name(
    name: str,
    channels: int,
    weights: str | Path | None,
    include_preprocessing: bool,
    pooled: bool,
    output_stride: int | None,
) -> Encoder:
    constructors = _constructors()
    key = str(name).lower().replace("_", "").replace("-", "")
    if key not in constructors:
        raise ValueError(
            f"encoder must be a Keras model or one of {', '.join(names())}; got encoder={name!r}."
        )
    construct = constructors[key]
    scale, offset, reverse = _preprocessing(construct)
    inside = scale == [1.0] * 3 and offset == [0.0] * 3
    arguments = {}
    if "include_preprocessing" in inspect.signature(construct).parameters:
        arguments["include_preprocessing"] = include_preprocessing
    elif inside and not include_preprocessing:
        raise ValueError(
            f"encoder={name!r} always normalises raw images by itself: "
            "include_preprocessing=False can't be had."
        )
    base = adapt(_construct(construct, name, weights, arguments), channels)
    base = base if output_stride is None else dilate(base, output_stride)
    pools = [layer for layer in base.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    if pooled and pools and pools[-1] is base.layers[-1]:
        outputs, strides = _features(keras.Model(base.input, [pool.output for pool in pools]))
    else:
        outputs, strides = _features(base)
    preprocessing = None
    if include_preprocessing and not inside:
        if channels != 3:  # no colour order any more
            scale, offset = (cycle(np.array(v), (channels,)).tolist() for v in (scale, offset))
            reverse = False
        preprocessing = Preprocessing(scale, offset, reverse, name="preprocessing")
    return Encoder(keras.Model(base.input, outputs, name="encoder"), strides, preprocessing)


def _construct(
    construct: Callable[..., keras.Model],
    name: str,
    weights: str | Path | None,
    arguments: dict[str, Any],
) -> keras.Model:
    if weights not in (None, "imagenet"):
        with open(weights, "rb"):  # a missing file is an error of its own
            arguments["weights"] = str(weights)
    else:
        arguments["weights"] = weights
    try:
        return construct(include_top=False, input_shape=(None, None, 3), **arguments)
    except Exception as error:
        if weights != "imagenet" or isinstance(error, FileNotFoundError | ConnectionError):
            raise
        raise OSError(
            f"the ImageNet weights of {name!r} could not be fetched ({error}). With a network, try "
            "again; without, pass encoder_weights=<file> from another machine's ~/.keras/models, "
            "or encoder_weights=None to start from random weights."
        ) from error


def _preprocessing(
    construct: Callable[..., keras.Model],
) -> tuple[list[float], list[float], bool]:
    """The affine map of the network's `preprocess_input`, read off it: (scale, offset, reverse)."""
    module = getattr(keras.applications, construct.__module__.rsplit(".", 1)[-1], None)
    if module is None:  # dnzoo's own: inside the network
        return [1.0] * 3, [0.0] * 3, False

    def image(*pixel: int) -> np.ndarray:
        return module.preprocess_input(np.array([[[pixel]]], "float64"))[0, 0, 0]

    black, white, red = image(0, 0, 0), image(255, 255, 255), image(255, 0, 0)
    scale = np.asarray((white - black) / 255)
    return scale.tolist(), np.asarray(black).tolist(), bool(red[0] == black[0])


def _from_model(
    model: keras.Model,
    channels: int,
    weights: str | Path | None,
    include_preprocessing: bool,
    output_stride: int | None,
) -> Encoder:
    if weights is not None:
        raise ValueError("encoder_weights goes with a named encoder; load them into your model.")
    if len(getattr(model, "inputs", None) or ()) != 1 or len(model.inputs[0].shape) != 4:
        raise ValueError("encoder must be a functional model of one image (N, H, W, C).")
    if model.inputs[0].shape[-1] != channels:
        raise ValueError(
            f"the encoder reads {model.inputs[0].shape[-1]} channels, the images have {channels}."
        )
    model = model if output_stride is None else dilate(model, output_stride)
    outputs, strides = _features(model)
    preprocessing = Preprocessing(name="preprocessing") if include_preprocessing else None
    return Encoder(keras.Model(model.input, outputs, name="encoder"), strides, preprocessing)


def _features(model: keras.Model) -> tuple[list[keras.KerasTensor], list[int]]:
    """The last tensor at each power-of-two stride, down to the stride of the model's output."""
    if len(model.outputs) > 1:
        candidates = list(model.outputs)
    else:
        candidates = [
            tensor
            for layer in model.layers
            for tensor in (layer.output if isinstance(layer.output, list) else [layer.output])
            if len(tensor.shape) == 4
        ]
    shape = [size or default for size, default in zip(model.inputs[0].shape, (1, PROBE, PROBE, 0))]
    sizes = keras.Model(model.input, candidates).compute_output_shape(tuple(shape))
    found = {}
    for tensor, size in zip(candidates, sizes if len(candidates) > 1 else [sizes]):
        stride = _stride(shape[1:3], size[1:3])
        if stride is not None:
            found[stride], deepest = tensor, stride
    if found.get(1) is not None and found[1].shape[-1] == model.inputs[0].shape[-1]:
        del found[1]  # the image itself, at most normalised: no feature
    strides = sorted(stride for stride in found if stride <= deepest)
    if not strides or deepest == 1:
        raise ValueError(
            f"the encoder {model.name!r} has no features at powers of two of its input's size; "
            "networks whose convolutions are not padded (Inception, Xception, NASNet) can't serve."
        )
    return [found[stride] for stride in strides], strides


def _stride(sizes: Sequence[int], out: Sequence[int]) -> int | None:
    for stride in STRIDES:
        if all(n in (-(-size // stride), size // stride) for size, n in zip(sizes, out)):
            return stride
    return None
