"""Every published model in ONNX, LiteRT and OpenVINO: how far its outputs are off, and its size.

Eight minutes on 2 cores:
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


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""


def main(options):
    rows = []
    for name in dnzoo.list_pretrained():
        model = dnzoo.load(name)
        for signature in saving.served(model):
            for ending in (".onnx", ".tflite", ".xml"):
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, f"model{ending}")
                    off = dnzoo.export(model, path, signature=signature)
                    size = sum(file.stat().st_size for file in Path(folder).iterdir())
                rows.append(
                    {
                        "model": name,
                        "signature": signature,
                        "file": ending,
                        "off": f"{off:.1e}",
                        "megabytes": f"{size / 1e6:.2f}",
                        **environment(),
                    }
                )
                print(name, signature, ending, rows[-1]["off"], rows[-1]["megabytes"], flush=True)
        table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
