"""dnzoo: the decoder zoo for Keras 3. Layers, models and recipes for networks that produce pixels.

The public names stand in `__init__.pyi`; each is imported when it is first used, so that
`import dnzoo` costs milliseconds and loads neither Keras nor TensorFlow. All that a `.keras` file may
name is registered with Keras once both are imported, whichever comes first.
"""

import importlib
from typing import Any

import lazy_loader

from dnzoo import registration

__version__: str = "0.1.0"

# packages that only an extra installs: {import name: extra}
EXTRAS: dict[str, str] = {
    "jax": "jax",
    "torch": "torch",
    "keras_tuner": "tune",
    "optuna": "optuna",
    "sklearn": "tune",
    "onnx": "export",
    "openvino": "export",
    "wandb": "wandb",
    "mlflow": "mlflow",
}

# where modules were before: `from dnzoo import files` goes on working
MOVED: dict[str, str] = {
    "files": "dnzoo.storage.folder",
    "image_files": "dnzoo.imaging.reading",
    "drawing": "dnzoo.imaging.drawing",
    "pretrained": "dnzoo.storage.pretrained",
    "allowed": "dnzoo.saving.allowed",
    "card": "dnzoo.saving.card",
    "deploying": "dnzoo.deployment.folding",
    "phases": "dnzoo.deployment.polyphase",
    "exporting": "dnzoo.deployment.formats",
    "tiling": "dnzoo.inference.tiling",
    "prediction": "dnzoo.inference.files",
    "heads": "dnzoo.models._heads",
}

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    try:
        return importlib.import_module(MOVED[name]) if name in MOVED else _load(name)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        extra = EXTRAS[error.name]
        raise ImportError(f'{error.name} is missing: pip install "dnzoo[{extra}]".') from error


registration.register()
