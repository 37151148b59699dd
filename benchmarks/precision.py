"""Does training in bfloat16 cost accuracy? `unet_fashion_scenes`'s net, three seeds in each precision.

The recipe on a smaller budget, the same for both: 64 x 64, 2,000 scenes, 8 epochs (nearly `make demo`, with
the published net's loss). Twenty minutes on 2 cores:
    python benchmarks/precision.py --out benchmarks/precision.csv
"""

import dataclasses
import statistics
from pathlib import Path

import commands
import table
import tyro

from dnzoo.training.environment import environment

SWITCHES = (
    "--image-size 64 --scenes 2000 --epochs 8 --filters 16 32 64 128 256 --loss cross_entropy+dice "
    "--learning-rate 0.003 --warmup 100"
)


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    seeds: tuple[int, ...] = (0, 1, 2)
    runs: str = "runs/precision"
    """The folder for the runs; a finished one is not run again."""


def main(options):
    rows = []
    for seed in options.seeds:
        for precision in ("float32", "mixed_bfloat16"):
            switches = f"{SWITCHES} --seed {seed} --precision {precision}"
            command, metrics, made = commands.run(
                "unet", switches, Path(options.runs, f"{precision}_{seed}")
            )
            rows.append(
                {
                    "seed": seed,
                    "precision": precision,
                    "test_mean_iou": f"{metrics['mean_iou']:.4f}",
                    "training_time": made["training time"],
                    "command": command,
                    **environment(),
                }
            )
            print(*list(rows[-1].values())[:4], sep="  ", flush=True)
            table.write(options.out, rows)
    values = {
        p: [float(r["test_mean_iou"]) for r in rows if r["precision"] == p]
        for p in ("float32", "mixed_bfloat16")
    }
    mean, low, high = table.difference(values["mixed_bfloat16"], values["float32"])
    print(f"bfloat16 less float32: {mean:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}")
    print({p: f"{statistics.mean(v):.4f} +- {statistics.stdev(v):.4f}" for p, v in values.items()})


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
