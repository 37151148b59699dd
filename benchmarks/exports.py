"""Every published model in ONNX, LiteRT and OpenVINO: how far its outputs are off, and its size.

Float32 has to be within `export`'s tolerance; 8-bit weights, for LiteRT, are off by what they are off.
Ten minutes on 2 cores:
    python benchmarks/exports.py --out benchmarks/exports.csv
"""

import dataclasses
import tempfile
from pathlib import Path

import table
import tyro

import dnzoo
from dnzoo import saving
from dnzoo.training.environment import environment

FORMATS = ((".onnx", "float32"), (".tflite", "float32"), (".tflite", "int8"), (".xml", "float32"))


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""


def main(options):
    rows = []
    for name in dnzoo.list_pretrained():
        model = dnzoo.load(name)
        for signature in saving.served(model):
            for ending, weights in FORMATS:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, f"model{ending}")
                    off = dnzoo.export(
                        model,
                        path,
                        signature=signature,
                        weights=weights,
                        tolerance=None if weights == "float32" else float("inf"),
                    )
                    size = sum(file.stat().st_size for file in Path(folder).iterdir())
                rows.append(
                    {
                        "model": name,
                        "signature": signature,
                        "file": ending,
                        "weights": weights,
                        "off": f"{off:.1e}",
                        "megabytes": f"{size / 1e6:.2f}",
                        **environment(),
                    }
                )
                print(*list(rows[-1].values())[:6], flush=True)
        table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
