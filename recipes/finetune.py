"""Adapt a trained model to your own classes, with as few as 20 images.

Your folder has images/ and masks/ (PNG of class numbers, 255 is ignored) and a classes.txt; a fifth
of it validates and tests. Classes that the model knows by name keep their weights in the new head,
which learns first, alone; then everything does, at a lower rate:
    python recipes/finetune.py --data FOLDER --model unet_cutouts --out runs/mine
Reaches test mean IoU 0.257 with 20 photographs of a class that the model had not seen, against 0.088
from scratch (means of five seeds, one minute each; benchmarks/transfer.py).
"""

import dataclasses

import keras

import dnzoo
from dnzoo import pretrained, training
from dnzoo.data import segmentation
from dnzoo.models import new_head
from dnzoo.tasks import Segmentation
from dnzoo.training import Stage


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "fashion_scenes"
    """Your folder with images/ and masks/, or fashion_scenes, cutout_scenes, oxford_iiit_pet."""
    model: str = "unet_cutouts"
    """What to start from: the name of a pretrained model, or a SavedModel's folder."""
    out: str = "runs/finetune"
    """The folder that gets everything the run makes."""
    image_size: int = 128
    """Images are fitted into a square of this size; best the one the model was trained on."""
    head_epochs: int = 20
    """First, epochs in which only the new head learns."""
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
    loss: str = "cross_entropy+dice"
    """cross_entropy, focal, dice, tversky, lovasz, or a sum such as cross_entropy+dice."""

    def stages(self):
        head = Stage(self.head_epochs, self.learning_rate, only_head=True)
        return [head, Stage(self.epochs, self.fine_learning_rate)]


def setup(config):
    data = segmentation.load(config.data, config.data_dir, config.image_size, config.seed)

    known = list(pretrained.read_meta(pretrained.find(config.model))["class_names"] or [])
    keep = [known.index(name) if name in known else None for name in data.class_names]

    def build():
        model = dnzoo.load(config.model, keras.config.dtype_policy().name)
        return new_head(model, len(keep), keep, config.normalization_momentum)

    return Segmentation(data, config, config.loss), build


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 3e-3, 1e-1, sampling="log"),
        "fine_learning_rate": hp.Float("fine_learning_rate", 1e-5, 1e-3, sampling="log"),
        "normalization_momentum": hp.Choice("normalization_momentum", [0.8, 0.9, 0.95, 0.99]),
        "loss": hp.Choice("loss", ["cross_entropy", "cross_entropy+dice", "focal"]),
    }


if __name__ == "__main__":
    training.command(setup, Config, __doc__, search_space)
