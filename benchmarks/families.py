"""Fine-tuning and tuning shown in full for a VAE and a net for super-resolution.

Fine-tuning: `vae_mnist` goes on with 1,000 garments, and `edsr_baseline_x2` with quarters of three
photographs of textures (a tenth of them tests), against the published nets as they are and the same
nets from random weights with the same data and epochs; three seeds. Tuning: eight trials each. All
are commands of the recipes, which are printed. 20 minutes on 2 cores:
    python benchmarks/families.py --out benchmarks/families.csv
A second start goes on where the first ended.
"""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import commands
import numpy as np
import table
import tyro
from PIL import Image

from dnzoo import storage
from dnzoo.data import pictures
from dnzoo.data.photographs import test_photographs
from dnzoo.training.environment import environment

GARMENTS, TEST = 1_000, 2_000
TEXTURES = ("brick", "grass", "gravel")
VAE = "--epochs 40 --batch-size 32"
EDSR = "--epochs 20 --batch-size 16 --patch 32 --precision mixed_bfloat16"
KEYS = ("training time", "date", "device", "versions")
TUNED = {
    "vae": "--data {mnist} --filters --epochs 3 --tune 8",
    "super_resolution": "--model espcn --scale 3 --epochs 3 --tune 8",
}


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write; the tuners' tables and plots go beside it."""
    mnist: str = "mnist"
    """What --data names MNIST by: the TFDS name, or a folder of its raw files."""
    runs: str = "runs/families"
    """Where the trainings go."""
    seeds: int = 3


def write_garments(folder, seed):
    """MNIST's raw files, of a seed's own 1,000 garments and of 2,000 test garments."""
    splits = pictures.load("fashion_mnist").splits
    rows = np.sort(np.random.default_rng(seed).permutation(len(splits["train"][0]))[:GARMENTS])
    with storage.new_folder(folder) as partial:
        for part, name, chosen in (("train", "train", rows), ("t10k", "test", np.arange(TEST))):
            images, labels = (np.asarray(array[chosen]) for array in splits[name])
            for kind, array in (("images-idx3", images[..., 0]), ("labels-idx1", labels)):
                header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
                (partial / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())


def write_textures(folder, seed):
    """Each photograph in four."""
    photographs = test_photographs()
    with storage.new_folder(folder) as partial:
        for name in TEXTURES:
            image = photographs[name]
            for i, half in enumerate(np.split(image[:512, :512], 2)):
                for j, quarter in enumerate(np.split(half, 2, axis=1)):
                    Image.fromarray(quarter).save(partial / f"{name}_{i}{j}.png")


def fine_tuned(options, home):
    """Rows of both nets, each from its trained weights and from random ones."""
    for seed in range(options.seeds):
        garments, textures = home / f"garments_{seed}", home / "textures"
        for folder, write in ((garments, write_garments), (textures, write_textures)):
            if not folder.is_dir():
                write(folder, seed)
        vae, sr = (
            f"--data {garments} {VAE} --seed {seed}",
            f"--data {textures} {EDSR} --seed {seed}",
        )
        pairs = (
            ("vae", "nelbo", vae, "vae_mnist", "--fine-learning-rate 0.001"),
            ("super_resolution", "psnr_y", sr, "edsr_baseline_x2", ""),
        )
        for family, metric, switches, model, rate in pairs:
            for start in ("published", "trained", "scratch"):
                out = home / f"{family}_{start}_{seed}"
                if start == "published":
                    command, metrics, made = evaluated(family, switches, model, out)
                elif start == "trained":
                    command, metrics, made = commands.run(
                        "finetune", f"{switches} --model {model} {rate}", out
                    )
                else:
                    command, metrics, made = commands.run(family, switches, out)
                yield {
                    "family": family,
                    "start": start,
                    "seed": seed,
                    "metric": metric,
                    "value": f"{metrics[metric]:.3f}",
                    "bicubic": f"{metrics['bicubic_psnr_y']:.3f}" if "psnr" in metric else "",
                    **{key: made.get(key, "") for key in KEYS},
                    "command": command,
                }


def evaluated(family, switches, model, out):
    """The published model on the same test data, as it is: (the command, metrics, environment)."""
    command = [f"recipes/{family}.py", *switches.split(), "--evaluate", model, "--out", str(out)]
    if not (out / "evaluation.json").is_file():
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads((out / "evaluation.json").read_text("utf-8"))["metrics"]
    return " ".join(["python", *command]), metrics, environment()


def tuned(options, home):
    """Eight trials of each recipe; table and plot go beside the CSV."""
    for family, switches in TUNED.items():
        out = home / f"tune_{family}"
        command = [f"recipes/{family}.py", *switches.format(mnist=options.mnist).split()]
        if not (out / "best.json").is_file():
            print("python", *command, flush=True)
            with open(home / f"tune_{family}.log", "w") as log:
                subprocess.run(
                    [sys.executable, *command, "--out", str(out)],
                    check=True,
                    stdout=log,
                    stderr=log,
                )
        for file in ("trials.csv", "trials.png"):
            target = Path(options.out).with_name(f"tune_{family}{Path(file).suffix}")
            shutil.copyfile(out / file, target)


def main(options):
    home, rows = Path(options.runs), []
    home.mkdir(parents=True, exist_ok=True)
    for row in fine_tuned(options, home):
        rows.append(row)
        table.write(options.out, rows)
        print(row["family"], row["start"], row["seed"], row["value"], flush=True)
    tuned(options, home)
    for family in ("vae", "super_resolution"):
        values = {
            start: [float(r["value"]) for r in rows if (r["family"], r["start"]) == (family, start)]
            for start in ("published", "trained", "scratch")
        }
        mean, low, high = table.difference(values["trained"], values["scratch"])
        averages = ", ".join(f"{start} {np.mean(v):.2f}" for start, v in values.items())
        print(f"{family}: {averages}; difference {mean:+.2f} ({low:+.2f} to {high:+.2f})")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
