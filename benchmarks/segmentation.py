"""The published nets for cut-out photographs on the same held-out scenes: IoU, boundary IoU, cost.

500 scenes of 128 x 128, of cut-outs and backgrounds that none of them was trained on, seed 0. Two
minutes on 2 cores; needs the cut-outs and photographs of `cutout_scenes`:
    python benchmarks/segmentation.py --out benchmarks/segmentation.csv
"""

import dataclasses

import table
import tyro

import dnzoo
from dnzoo.analysis import complexity
from dnzoo.data import segmentation
from dnzoo.storage import pretrained
from dnzoo.tasks import Segmentation
from dnzoo.training import Config
from dnzoo.training.environment import environment

MODELS = ("unet_cutouts", "fcn8s_cutouts")


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    data_dir: str = "data"
    """Where prepared scenes are kept."""


def main(options):
    data = segmentation.load("cutout_scenes", options.data_dir, 128, 0, 5000)
    task = Segmentation(data, Config(data="cutout_scenes", out="", data_dir=options.data_dir))
    rows = []
    for name in MODELS:
        model = dnzoo.load(name)
        metrics = task.evaluate(model)
        made = pretrained.read_meta(pretrained.find(name))["provenance"]
        cost = complexity(model, (128, 128, 3))
        rows.append(
            {
                "model": name,
                "parameters": model.count_params(),
                "gmacs_at_128": f"{cost.macs / 1e9:.3f}",
                "test_mean_iou": f"{metrics['mean_iou']:.4f}",
                "test_boundary_iou": f"{metrics['boundary_iou']:.4f}",
                "test_pixel_accuracy": f"{metrics['pixel_accuracy']:.4f}",
                "training time": made["training time"],
                **environment(),
            }
        )
        print(rows[-1])
    table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
