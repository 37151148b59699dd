"""Adapt a trained model of any kind to your own data, with as few as 20 images.

For segmentation your folder has images/ and masks/ (PNG of class numbers, 255 is ignored) and a
classes.txt; a fifth of it validates and tests. Classes that the model knows by name keep their
weights in the new head, which learns first, alone; then everything does, at a lower rate:
    python recipes/finetune.py --data FOLDER --model unet_cutouts --out runs/mine
Reaches test mean IoU 0.257 with 20 photographs of a class that the model had not seen, against 0.088
from scratch (means of five seeds, one minute each; benchmarks/transfer.py).
Other models go on learning, from a folder of photographs or pictures:
    python recipes/finetune.py --data FOLDER --model edsr_baseline_x2 --out runs/mine
    python recipes/finetune.py --data FOLDER --model vae_mnist --out runs/mine
"""

import dataclasses

import keras

import dnzoo
from dnzoo import inference, training
from dnzoo.data import instances, photographs, pictures, segmentation
from dnzoo.inference import files
from dnzoo.models import VAE, new_head, train_all, train_only_head
from dnzoo.storage import pretrained
from dnzoo.tasks import Autoencoding, Generation, InstanceMasks, Segmentation, SuperResolution
from dnzoo.training import Stage


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "fashion_scenes"
    """Your folder, or a name that the recipe of such a model takes."""
    model: str = "unet_cutouts"
    """What to start from: the name of a pretrained model, or a SavedModel's folder."""
    out: str = "runs/finetune"
    """The folder that gets everything the run makes."""
    image_size: int = 128
    """Images with masks are fitted into a square of this size; best the one of the training."""
    patch: int = 32
    """For super-resolution: rows and columns of the small patches to train on."""
    classifier: str = "classifier_fashion_mnist"
    """For a GAN: the saved classifier that judges."""
    head_epochs: int = 20
    """First, epochs in which only a new head learns; models whose head stays have none."""
    epochs: int = 80
    """Then, epochs in which everything learns."""
    learning_rate: float = 3e-2
    """Highest learning rate of the head."""
    fine_learning_rate: float = 1e-4
    """Highest learning rate when everything learns."""
    batch_size: int = 4
    """Images a step, all devices together."""
    patience: int = 30
    """End a stage after so many epochs without a better validation score; 0: never."""
    normalization_momentum: float = 0.9
    """Of moving statistics; 0.99 would keep 37 % of the old data's after 100 steps."""
    loss: str | None = None
    """As in the recipe of such a model; none: its default, for segmentation cross_entropy+dice."""

    may_change = (*training.Config.may_change, "fine_learning_rate")

    def stages(self) -> list[Stage]:
        if not self.head_epochs:
            return [Stage(self.epochs, self.fine_learning_rate)]
        return [
            Stage(self.head_epochs, self.learning_rate, begin=train_only_head),
            Stage(self.epochs, self.fine_learning_rate, begin=train_all),
        ]


def setup(config):
    kind = files.kind(load(config))
    if kind not in ("segment", "mask"):
        config.head_epochs = 0
    return {"segment": segment, "mask": mask, "enlarge": enlarge, "generate": generate}[kind](
        config
    )


def load(config):
    return dnzoo.load(config.model, keras.config.dtype_policy().name)


def with_new_head(config, class_names):
    """A function that builds the model with a head for these classes; known ones keep their weights."""
    known = list(pretrained.read_meta(pretrained.find(config.model))["class_names"] or [])
    keep = [known.index(name) if name in known else None for name in class_names]
    return lambda: new_head(load(config), len(keep), keep, config.normalization_momentum)


def segment(config):
    data = segmentation.load(config.data, config.data_dir, config.image_size, config.seed)
    task = Segmentation(data, config, config.loss or "cross_entropy+dice")
    return task, with_new_head(config, data.class_names)


def mask(config):
    data = instances.load(config.data, config.data_dir, config.image_size, config.seed)
    return InstanceMasks(data, config), with_new_head(config, data.class_names)


def enlarge(config):
    model = load(config)
    data = photographs.load(config.data, config.data_dir, inference.scale(model), config.seed)
    luma = model.input_shape[-1] == 1
    return SuperResolution(data, config, config.loss or "l1", luma), lambda: load(config)


def generate(config):
    model = load(config)
    rows = (model.encoder.input_shape if isinstance(model, VAE) else model.generator.output_shape)[
        1
    ]
    data = pictures.load(config.data, config.data_dir, rows, config.seed)
    if isinstance(model, VAE):
        task = Autoencoding(data, config, model.likelihood == "bernoulli")
    else:
        task = Generation(data, config, config.classifier, model.conditional)
    return task, lambda: load(config)


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 3e-3, 1e-1, sampling="log"),
        "fine_learning_rate": hp.Float("fine_learning_rate", 1e-5, 1e-3, sampling="log"),
        "normalization_momentum": hp.Choice("normalization_momentum", [0.8, 0.9, 0.95, 0.99]),
    }


if __name__ == "__main__":
    training.command(setup, Config, __doc__, search_space)
