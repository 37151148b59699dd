"""What ImageNet weights are worth on cut-out photographs: the same U-Net with and without them.

Trains both on `cutout_scenes`, tests them on cut-outs and
backgrounds that neither has seen. 40 minutes on 2 cores:
    python benchmarks/cutouts.py --out benchmarks/cutouts.csv
"""

import dataclasses
from pathlib import Path

import commands
import table
import tyro

SWITCHES = (
    "--data cutout_scenes --scenes 5000 --epochs 10 --encoder efficientnet_lite0 {weights}"
    "--filters 16 32 64 96 128 --loss cross_entropy+dice --warmup 200 --dropout 0.2 "
    "--precision float32"
)


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    runs: str = "runs"
    """Where the trainings go."""


def main(options):
    rows = []
    for weights, name in (("imagenet", "unet_cutouts"), ("none", "unet_cutouts_scratch")):
        asked = "" if weights == "none" else f"--encoder-weights {weights} "
        switches = SWITCHES.format(weights=asked)
        command, metrics, made = commands.run("unet", switches, Path(options.runs, name))
        rows.append(
            {
                "encoder_weights": weights,
                "test_mean_iou": f"{metrics['mean_iou']:.4f}",
                "test_pixel_accuracy": f"{metrics['pixel_accuracy']:.4f}",
                **{key: made[key] for key in ("seed", "best epoch", "training time")},
                **{key: made[key] for key in ("date", "device", "versions")},
                "command": command,
            }
        )
        table.write(options.out, rows)
        print(rows[-1])


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
