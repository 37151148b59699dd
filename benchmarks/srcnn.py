"""SRCNN, FSRCNN and others trained here, on Set5: PSNR and SSIM of Y beside what the papers give.

    python recipes/super_resolution.py --data t91 --model fsrcnn --scale 3 --epochs 80 \\
        --learning-rate 0.002 --loss mse --precision float32 --out runs/fsrcnn_x3
    python benchmarks/srcnn.py --models runs/fsrcnn_x3/saved_model --set5 set5/x3/hr \\
        --out benchmarks/srcnn.csv

`t91` is the folder of the 91 images of Yang et al. that the papers train on, `set5/x3/hr` that of
Set5's five images, cut to a multiple of 3; both are copied with most code of such papers.
"""

import dataclasses
from pathlib import Path

import numpy as np
import table
import tyro

import dnzoo
from dnzoo import inference
from dnzoo.imaging import reading
from dnzoo.storage.pretrained import find, read_meta
from dnzoo.tasks.super_resolution import compare
from dnzoo.training.environment import environment

# 9-1-5 on the 91 images, arXiv:1501.00092; with General-100 too, arXiv:1608.00367
PAPERS = {"bicubic": "30.39", "srcnn": "32.39", "fsrcnn": "33.16"}


@dataclasses.dataclass
class Options:
    models: list[str]
    """SavedModels with a scale of 3."""
    set5: str
    """Folder of Set5's large images."""
    out: str
    """CSV to write."""


def main(options: Options) -> None:
    files = sorted(Path(options.set5).glob("*.png"))
    large = {file.stem: np.asarray(reading.read(file)) for file in files}
    rows, made = [], environment()
    for path in options.models:
        model, meta = dnzoo.load(path), read_meta(find(path))
        found = compare(
            lambda small, net=model: inference.upscale(net, small, mirror=False), large, 3
        )
        for name, prefix in {model.name: "", "bicubic": "bicubic_"}.items():
            own = name != "bicubic"
            rows.append(
                {
                    "method": name,
                    "parameters": model.count_params() if own else 0,
                    "psnr_y": f"{found[prefix + 'psnr_y']:.2f}",
                    "ssim_y": f"{found[prefix + 'ssim_y']:.4f}",
                    "paper": PAPERS.get(name, ""),
                    "command": meta["provenance"]["command"] if own else "",
                    "training": meta["provenance"]["training time"] if own else "",
                    **made,
                }
            )
    rows = [*{row["method"]: row for row in rows}.values()]
    table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
