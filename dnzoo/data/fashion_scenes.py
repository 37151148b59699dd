"""`fashion_scenes`: the TFDS builder of the composed garment scenes."""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from dnzoo.data import scenes


@dataclasses.dataclass
class FashionScenesConfig(tfds.core.BuilderConfig):
    """Size, number and seed of the scenes. They are part of the name: TFDS reuses data by name."""

    name: str = ""  # made of what follows
    size: int = 128
    train: int = 2000
    validation: int = 300
    test: int = 500
    seed: int = 0

    def __post_init__(self):
        counts = f"{self.train}_{self.validation}_{self.test}"
        self.name = f"{self.size}px_{counts}_seed{self.seed}"


class FashionScenes(tfds.core.GeneratorBasedBuilder):
    """Several garments of random class, scale, rotation, tint and overlap on a textured background.

    Features: `image`, `segmentation_mask` (10 classes and background), `instance_mask` (0, or 1 +
    the object's number) and `objects` (label, bounding box). The splits share no garment.

    Example:
        FashionScenes(config=FashionScenesConfig(size=64), data_dir="data").download_and_prepare()
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [FashionScenesConfig()]

    def _info(self):
        size = self.builder_config.size
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "index": np.int64,
                    "image": tfds.features.Image(shape=(size, size, 3)),
                    "segmentation_mask": tfds.features.LabeledImage(
                        labels=list(scenes.CLASS_NAMES), shape=(size, size, 1)
                    ),
                    "instance_mask": tfds.features.Image(shape=(size, size, 1)),
                    "objects": tfds.features.Sequence(
                        {
                            "label": tfds.features.ClassLabel(names=list(scenes.CLASS_NAMES[1:])),
                            "bbox": tfds.features.BBoxFeature(),
                        }
                    ),
                }
            ),
            supervised_keys=("image", "segmentation_mask"),
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            license="MIT (Fashion-MNIST, Zalando SE)",
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in scenes.SPLITS}

    def _generate_examples(self, split):
        config = self.builder_config
        for index in range(getattr(config, split)):
            scene = scenes.compose(config.seed, split, index, config.size)
            boxes = [np.divide(box, config.size) for box in scene["boxes"]]
            yield (
                index,
                {
                    "index": index,
                    "image": scene["image"],
                    "segmentation_mask": scene["segmentation_mask"][..., None],
                    "instance_mask": scene["instance_mask"][..., None],
                    "objects": [
                        {"label": label - 1, "bbox": tfds.features.BBox(*box)}
                        for label, box in zip(scene["labels"], boxes)
                    ],
                },
            )
