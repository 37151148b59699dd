"""The VAE of dense layers, 784-500-20, and the convolutional one, on MNIST with pixels drawn 0 or 1.

flax's example reaches about 104 nats after 10 epochs with the dense one. 25 minutes on 2 cores:
    python benchmarks/vae.py --out benchmarks/vae.csv
"""

import dataclasses
from pathlib import Path

import commands
import table
import tyro

NETS = {
    "vae_mnist_dense": "--filters --hidden 500 --epochs 10 --learning-rate 0.002",
    "vae_mnist": "--filters 32 64 --hidden 256 --epochs 30",
}


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    mnist: str = "mnist"
    """What --data names MNIST by: the TFDS name, or a folder of its raw files."""
    runs: str = "runs"
    """Where the trainings go."""


def main(options):
    rows = []
    for name, switches in NETS.items():
        switches = f"--data {options.mnist} {switches} --precision float32"
        command, metrics, made = commands.run("vae", switches, Path(options.runs, name))
        numbers = {k: v for k, v in metrics.items() if not isinstance(v, dict)}
        numbers = {k: f"{v:.2f}" if isinstance(v, float) else v for k, v in numbers.items()}
        keys = ("seed", "training time", "date", "device", "versions")
        rows.append({"net": name, **numbers, **{k: made[k] for k in keys}, "command": command})
        print(rows[-1])
    table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
