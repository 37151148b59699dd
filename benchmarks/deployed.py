"""What `dnzoo.deploy` does to the published models: their metrics on the test split, weights, operations.

Each model as it was published, with batch normalisation folded (float32), and in bfloat16. The test data
is that of the model's own recipe. Ten minutes on 2 cores; needs the data of all:
    python benchmarks/deployed.py --data-dir data --out benchmarks/deployed.csv
"""

import dataclasses

import keras
import recipes_of
import table
import tyro

import dnzoo
from dnzoo.training.environment import environment

METRICS = (
    "mean_iou",
    "boundary_iou",
    "mask_ap",
    "psnr_y",
    "ssim_y",
    "accuracy",
    "nelbo",
    "frechet_distance",
)


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    data_dir: str = "data"
    """Where prepared data is kept."""
    only: str = ""
    """Part of the names to measure; the others keep their rows."""


def deployed(model, dtype):
    """The model with its nets deployed, whatever it is made of."""
    if hasattr(model, "averaged"):
        model.averaged = dnzoo.deploy(model.averaged, dtype)
        return model
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        parts = (dnzoo.deploy(net, dtype) for net in (model.encoder, model.decoder))
        return type(model)(*parts, model.beta, model.likelihood, model.max_value)
    return dnzoo.deploy(model, dtype)


def main(options):
    rows = {(row["model"], row["weights"]): row for row in table.read(options.out)}
    for name in recipes_of.names():
        if options.only not in name:
            continue
        _, task, _ = recipes_of.setup(name, options.data_dir)
        for dtype in ("published", "float32", "bfloat16"):
            keras.utils.set_random_seed(0)
            model = dnzoo.load(name)
            if dtype != "published":
                model = deployed(model, dtype)
            found = task.evaluate(model)
            net = getattr(model, "averaged", model)
            row = {
                "model": name,
                "weights": dtype,
                "metrics": "; ".join(
                    f"{key} {value:.4f}" for key, value in found.items() if key in METRICS
                ),
                "weights_mb": f"{sum(_bytes(w) for w in net.weights) / 1e6:.1f}",
                **environment(),
            }
            rows[name, dtype] = row
            print(*list(row.values())[:4], sep="  ", flush=True)
            table.write(options.out, list(rows.values()))


def _bytes(weight):
    size = 1
    for n in weight.shape:
        size *= n
    return size * (2 if weight.dtype in ("bfloat16", "float16") else 4)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
