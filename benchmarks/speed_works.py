"""What speed.py measures: each work in dnzoo, with its batch, its loss, and the names of its peers."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

FILTERS = (32, 64, 128, 256, 512)


@dataclasses.dataclass(frozen=True)
class Work:
    """One job for every framework.

    Attributes:
        build: makes dnzoo's model.
        peer: the name of the class in speed_pytorch and of the function or class in speed_keras.
        shapes: of the batch: input and, where there is one, target.
        loss: "cross_entropy", "bce", "mae", or None: the model has its own.
    """

    build: Callable
    peer: tuple
    shapes: tuple
    loss: str | None

    def batch(self):
        """(input, target or None), numpy, channels last."""
        rng = np.random.default_rng(0)
        shapes = self.shapes
        x = rng.uniform(-1, 1, shapes[0]).astype("float32")
        if self.peer[0] in ("FCN8s", "UNetLite"):
            x = (x + 1) * 127.5
        if self.peer[0] == "VAE":
            x = (x > 0).astype("float32")
        if len(shapes) == 1:
            return x, None
        if self.loss == "cross_entropy":
            return x, rng.integers(0, 3, shapes[1]).astype("uint8")
        y = rng.uniform(0, 1, shapes[1])
        return x, (y > 0.5 if self.loss == "bce" else y).astype("float32")

    def inference_input(self):
        """What the trained net reads to predict: of a GAN, latents."""
        x, _ = self.batch()
        if self.peer[0] == "DCGAN":
            return np.random.default_rng(1).normal(size=(len(x), 100)).astype("float32")
        return x


def _dnzoo(name, *args, **kwargs):
    def build():
        import dnzoo

        return getattr(dnzoo, name)(*args, **kwargs)

    return build


IMAGE = (None, None, 3)
# with trained weights: fresh depthwise kernels leave nothing of an image to compare
LITE = {"encoder": "efficientnet_lite0", "encoder_weights": "imagenet"}
WORKS = {
    "unet_wide": Work(  # for a GPU
        _dnzoo("unet", IMAGE, classes=3, filters=tuple(2 * width for width in FILTERS)),
        ("UNetWide", None),
        ((16, 256, 256, 3), (16, 256, 256)),
        "cross_entropy",
    ),
    "unet": Work(
        _dnzoo("unet", IMAGE, classes=3, filters=FILTERS),
        ("UNet", "unet"),
        ((8, 128, 128, 3), (8, 128, 128)),
        "cross_entropy",
    ),
    # a step updates both nets, as the others' do
    "dcgan": Work(_dnzoo("dcgan", critic_steps=0), ("DCGAN", "DCGAN"), ((64, 64, 64, 3),), None),
    "vae": Work(_dnzoo("vae"), ("VAE", "VAE"), ((128, 28, 28, 1),), None),
    "fcn8s_lite0": Work(
        _dnzoo("fcn8s", IMAGE, fc_filters=256, dropout=0.0, **LITE),
        ("FCN8s", "fcn8s"),
        ((4, 256, 256, 3), (4, 256, 256)),
        "cross_entropy",
    ),
    "unet_lite0": Work(
        _dnzoo("unet", IMAGE, classes=3, filters=FILTERS, **LITE),
        ("UNetLite", "unet_lite0"),
        ((4, 256, 256, 3), (4, 256, 256)),
        "cross_entropy",
    ),
    "mask_head": Work(
        _dnzoo("mask_head"),
        ("MaskHead", "mask_head"),
        ((100, 14, 14, 256), (100, 28, 28, 80)),
        "bce",
    ),
    "edsr": Work(_dnzoo("edsr"), ("EDSR", "edsr"), ((16, 48, 48, 3), (16, 96, 96, 3)), "mae"),
}


def predictor(model):
    """The functional model that predicts: a GAN's generator, a VAE's decoder of the mean."""
    import keras

    if hasattr(model, "generator"):
        return model.generator
    if hasattr(model, "encoder"):
        mean, _ = model.encoder(model.encoder.input)
        return keras.Model(model.encoder.input, model.decoder(mean))
    return model


def variables(model):
    """The weights in the order in which the peers take them: a pair's one net after the other."""
    parts = [model]
    if hasattr(model, "generator"):
        parts = [model.generator, model.discriminator]
    elif hasattr(model, "decoder"):
        parts = [model.encoder, model.decoder]
    return [weight for part in parts for weight in part.weights]


def keras_model(work, folder, plain):
    """dnzoo's model, or the one of Keras alone, with the weights that all share."""
    given = weights(folder)
    if plain:
        import speed_keras

        model = getattr(speed_keras, work.peer[1])()
        speed_keras.take(variables(model), given)
        return model
    model = work.build()
    for weight, (_, value) in zip(variables(model), given, strict=True):
        weight.assign(value)
    return model


def weights(folder):
    """[(name, value)] of dnzoo's model, as `speed_child.prepare` left them."""
    with np.load(Path(folder, "weights.npz")) as file:
        return [(key.split(":")[1], file[key]) for key in file.files]


def pytorch_net(work, folder):
    """(the net with the weights that all share, its device)."""
    import speed_pytorch
    import torch

    torch.manual_seed(0)
    device = "cuda" if os.environ["SPEED_DEVICE"] == "gpu" else "cpu"
    net = getattr(speed_pytorch, work.peer[0])()
    speed_pytorch.take(net, [value for _, value in weights(folder)])
    return net.to(device, memory_format=torch.channels_last), device


def to_torch(arrays, device):
    """Channels-last arrays as tensors of that memory format."""
    import torch

    found = []
    for array in arrays:
        tensor = None if array is None else torch.from_numpy(array).to(device)
        if tensor is not None and tensor.ndim == 4:
            tensor = tensor.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        found.append(tensor)
    return found
