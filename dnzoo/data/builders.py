"""The TFDS builders of composed scenes: `fashion_scenes` and `cutout_scenes`."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow_datasets as tfds

from dnzoo.data import garments, scenes, tfds_offline
from dnzoo.data.cutouts import Cutouts


@dataclasses.dataclass
class ScenesConfig(tfds.core.BuilderConfig):
    """Size, number and seed of the scenes, and classes that do not appear in them.

    All are part of the name: TFDS reuses data by name.
    """

    name: str = ""  # made of what follows
    size: int = 128
    train: int = 2000
    validation: int = 300
    test: int = 500
    seed: int = 0
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        counts = f"{self.train}_{self.validation}_{self.test}"
        without = "".join(f"_without_{name.replace(' ', '-')}" for name in self.without)
        self.name = f"{self.size}px_{counts}_seed{self.seed}{without}"


@dataclasses.dataclass
class CutoutScenesConfig(ScenesConfig):
    """The same, and the user's folders; see `dnzoo.data.cutouts.Cutouts`."""

    cutouts: str | None = None
    backgrounds: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.source: Cutouts = Cutouts(self.cutouts, self.backgrounds, self.seed)
        self.name: str = f"{self.name}_{self.source.fingerprint}"


class _Scenes(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """What both builders share: features, splits, and examples composed one by one."""

    VERSION: Any = tfds.core.Version("1.0.0")
    homepage: str | None = None
    licence: str | None = None

    def _class_names(self) -> list[str]:
        known, without = self._all_class_names(), self.builder_config.without
        unknown = [name for name in without if name not in known[1:]]
        if unknown or {*known[1:]} == {*without}:
            raise ValueError(
                f"without={tuple(without)!r}: name some, but not all, of {', '.join(known[1:])}."
            )
        return [name for name in known if name not in without]

    def _info(self) -> Any:
        size, names = self.builder_config.size, self._class_names()
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "index": np.int64,
                    "image": tfds.features.Image(shape=(size, size, 3)),
                    "segmentation_mask": tfds.features.LabeledImage(
                        labels=names, shape=(size, size, 1)
                    ),
                    "instance_mask": tfds.features.Image(shape=(size, size, 1)),
                    "objects": tfds.features.Sequence(
                        {
                            "label": tfds.features.ClassLabel(names=names[1:]),
                            "bbox": tfds.features.BBoxFeature(),
                        }
                    ),
                }
            ),
            supervised_keys=("image", "segmentation_mask"),
            homepage=self.homepage,
            license=self.licence,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in scenes.SPLITS}

    def _generate_examples(self, split: scenes.Split) -> Iterator[tuple[int, dict[str, Any]]]:
        config, names = self.builder_config, self._class_names()
        # class numbers without gaps, also where classes are left out
        number = np.array(
            [names.index(n) if n in names else 0 for n in self._all_class_names()], "uint8"
        )
        for index in range(getattr(config, split)):
            scene = self._compose(config.seed, split, index, config.size, config.without)
            boxes = [np.divide(box, config.size) for box in scene["boxes"]]
            yield (
                index,
                {
                    "index": index,
                    "image": scene["image"],
                    "segmentation_mask": number[scene["segmentation_mask"]][..., None],
                    "instance_mask": scene["instance_mask"][..., None],
                    "objects": [
                        {"label": number[label] - 1, "bbox": tfds.features.BBox(*box)}
                        for label, box in zip(scene["labels"], boxes)
                    ],
                },
            )


class FashionScenes(_Scenes):
    """Several garments of random class, scale, rotation, tint and overlap on a textured background.

    Features: `image`, `segmentation_mask` (10 classes and background), `instance_mask` (0, or 1 +
    the object's number) and `objects` (label, bounding box). The splits share no garment.

    Example:
        FashionScenes(config=ScenesConfig(size=64), data_dir="data").download_and_prepare()
    """

    BUILDER_CONFIGS: list[ScenesConfig] = [ScenesConfig()]
    homepage: str | None = "https://github.com/zalandoresearch/fashion-mnist"
    licence: str | None = "MIT (Fashion-MNIST, Zalando SE)"

    def _all_class_names(self) -> Sequence[str]:
        return garments.CLASS_NAMES

    def _compose(self, *args: Any) -> dict[str, Any]:
        return garments.compose(*args)


class CutoutScenes(_Scenes):
    """Cut-out photographs pasted on photographs, of two folders of the user's own.

    Features as of `fashion_scenes`; a class for each sub-folder of cut-outs. The splits share
    neither a cut-out nor a background.

    Example:
        CutoutScenes(config=CutoutScenesConfig(cutouts="cutouts", backgrounds="photographs"))
    """

    licence: str | None = "That of the images, which stay where they are: they are not dnzoo's."

    def _all_class_names(self) -> Sequence[str]:
        return self.builder_config.source.class_names

    def _compose(self, *args: Any) -> dict[str, Any]:
        return self.builder_config.source.compose(*args)


def prepared(
    data: Literal["fashion_scenes", "cutout_scenes"], data_dir: str | Path, **config: Any
) -> Any:
    """The builder of "fashion_scenes" or "cutout_scenes", its scenes composed.

    Args:
        data: which.
        data_dir: where TFDS keeps them.
        **config: of `ScenesConfig`, or `CutoutScenesConfig`.
    """
    builder = {"fashion_scenes": FashionScenes, "cutout_scenes": CutoutScenes}[data]
    kind = CutoutScenesConfig if builder is CutoutScenes else ScenesConfig
    made = kind(**config)
    made = builder.builder_configs.get(made.name, made)
    found = builder(config=made, data_dir=str(data_dir))
    tfds_offline.prepare(found, data_dir)
    return found
