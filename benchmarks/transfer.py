"""What 20 images are worth: a trained U-Net with a new head against the same net from scratch.

Twice: garments (a net that never saw two classes of fashion_scenes) and photographs (one that never
saw a vehicle of cutout_scenes). Each seed draws 20 images that show the new classes, 16 to train on
and 4 to validate; both nets get the same images and epochs, and are tested on 300 held-out scenes of
all classes. Every training is a command of the recipes, which is printed. 40 minutes on 2 cores:
    python benchmarks/transfer.py --out benchmarks/transfer.csv
A second start goes on where the first ended.
"""

import dataclasses
import shlex
from pathlib import Path

import commands
import numpy as np
import table
import tyro
from PIL import Image

from dnzoo import storage
from dnzoo.data import cutouts, garments

IMAGES = {"train": 16, "validation": 4, "test": 300}


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    runs: str = "runs/transfer"
    """Where the trainings go."""
    seeds: int = 5


@dataclasses.dataclass(frozen=True)
class Experiment:
    name: str
    compose: object
    class_names: tuple[str, ...]
    new: tuple[str, ...]
    size: int
    net: str
    """Switches that make the net."""
    base: str
    """Switches of the training that it starts from."""


EPOCHS = (20, 80)  # with a new head: alone, then all; from scratch: their sum


def experiments():
    photographs = cutouts.Cutouts()
    return [
        Experiment(
            "garments",
            garments.compose,
            garments.CLASS_NAMES,
            ("trouser", "bag"),
            64,
            "--filters 24 48 96 192",
            "--data fashion_scenes --scenes 4000 --epochs 8 --learning-rate 0.002 --warmup 100",
        ),
        Experiment(
            "photographs",
            photographs.compose,
            photographs.class_names,
            ("vehicle",),
            96,
            "--filters 16 32 64 96 128 --encoder efficientnet_lite0",
            "--data cutout_scenes --scenes 3000 --epochs 6 --encoder-weights imagenet --warmup 100",
        ),
    ]


def write_folder(experiment, folder, seed):
    """20 images with the new classes, and the test's, as a user's folder."""
    with storage.new_folder(folder) as partial:
        for split, count in IMAGES.items():
            for kind in ("images", "masks"):
                (partial / split / kind).mkdir(parents=True)
            found = scenes(experiment, split, seed)
            for i, scene in zip(range(count), found):
                Image.fromarray(scene["image"]).save(partial / split / f"images/{i:03d}.png")
                mask = Image.fromarray(scene["segmentation_mask"])
                mask.save(partial / split / f"masks/{i:03d}.png")
        (partial / "classes.txt").write_text("\n".join(experiment.class_names) + "\n", "utf-8")


def scenes(experiment, split, seed):
    """For the test every scene of draw 0, else those of a seed's own draw that show a new class."""
    new = {experiment.class_names.index(name) for name in experiment.new}
    draw = 0 if split == "test" else 1000 + seed
    for index in range(10**6):
        scene = experiment.compose(draw, split, index, experiment.size)
        if split == "test" or new & set(scene["labels"]):
            yield scene


def rows_of(experiment, options):
    home = Path(options.runs, experiment.name)
    common = f"--image-size {experiment.size} --loss cross_entropy+dice"
    without = shlex.join(experiment.new)
    base = f"{experiment.base} {experiment.net} {common} --without {without}"
    commands.run("unet", base, home / "base")
    for seed in range(options.seeds):
        folder = home / f"images_{seed}"
        if not folder.is_dir():
            write_folder(experiment, folder, seed)
        same = f"{common} --data {shlex.quote(str(folder))} --seed {seed} --batch-size 4"
        tuned = f"--model {shlex.quote(str(home / 'base/saved_model'))}"
        tuned += f" --head-epochs {EPOCHS[0]} --epochs {EPOCHS[1]}"
        # 0.99: as it was measured, before the momentum followed the number of steps
        scratch = f"{experiment.net} --epochs {sum(EPOCHS)} --normalization-momentum 0.99"
        for start, recipe, switches in (
            ("trained", "finetune", tuned),
            ("scratch", "unet", scratch),
        ):
            command, metrics, made = commands.run(
                recipe, f"{same} {switches}", home / f"{start}_{seed}"
            )
            new = [metrics["class_iou"][name] or 0.0 for name in experiment.new]
            yield {
                "experiment": experiment.name,
                "new_classes": " and ".join(experiment.new),
                "start": start,
                "seed": seed,
                "test_mean_iou": f"{metrics['mean_iou']:.4f}",
                "test_iou_new_classes": f"{np.mean(new):.4f}",
                **{key: made[key] for key in ("training time", "date", "device", "versions")},
                "command": command,
            }


def main(options):
    rows = []
    for experiment in experiments():
        for row in rows_of(experiment, options):
            rows.append(row)
            table.write(options.out, rows)
        for column in ("test_mean_iou", "test_iou_new_classes"):
            values = {
                start: [
                    float(row[column])
                    for row in rows
                    if row["experiment"] == experiment.name and row["start"] == start
                ]
                for start in ("trained", "scratch")
            }
            mean, low, high = table.difference(values["trained"], values["scratch"])
            averages = ", ".join(f"{start} {np.mean(v):.3f}" for start, v in values.items())
            print(
                f"{experiment.name} {column}: {averages}; difference {mean:+.3f}, "
                f"95 % interval {low:+.3f} to {high:+.3f}"
            )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
