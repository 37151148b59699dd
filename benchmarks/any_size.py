"""`dnzoo.predict` from small images to huge ones: time per pixel, and memory.

Each size is a process of its own, that reads a memory-mapped image and writes a memory-mapped mask. Its
own memory is what it would need on any machine; in the other figure are the files' pages that happened
to be in memory too. Twenty minutes on 2 cores, 10 GB of memory, 2 GB of disk:
    python benchmarks/any_size.py --out benchmarks/any_size.csv
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import table
import tyro

import dnzoo
from dnzoo import inference
from dnzoo.inference import tiling
from dnzoo.training.environment import environment

CASES = ("256", "1024", "4096", "20000", "4096:4096", "16384:4096")


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    models: tuple[str, ...] = ("unet_fashion_scenes",)
    """Published models for segmentation."""
    sizes: tuple[str, ...] = CASES
    """Rows and columns of the image; behind a colon those of a tile at most, else "auto"."""
    dtype: str = "bfloat16"
    """Of the deployed model."""
    child: bool = False
    """Measure the one model and size given, and print them."""
    folder: str = ""
    """For the image and the mask; none: a temporary one."""


def measure(options):
    """Predict one image; the first tile's compilation is not counted."""
    own = Own()
    name, (size, tile) = options.models[0], size_and_tile(options.sizes[0])
    model = dnzoo.deploy(dnzoo.load(name), options.dtype)
    shape = (size, size, model.input_shape[-1])
    image = np.lib.format.open_memmap(Path(options.folder, "image.npy"), "w+", "uint8", shape)
    for row in range(0, size, 256):
        rng = np.random.default_rng(row)
        image[row : row + 256] = rng.integers(0, 256, image[row : row + 256].shape, "uint8")
    mask = np.lib.format.open_memmap(Path(options.folder, "mask.npy"), "w+", "uint8", shape[:2])
    tiles = tiling.tiles(model, shape, tile)
    rows, columns = tiles[0]
    model.predict_on_batch(np.zeros((1, *image[rows.given, columns.given].shape), "float32"))
    seconds = []
    while sum(seconds) < 2:
        started = time.perf_counter()
        dnzoo.predict(model, image, tile, mask, finish=inference.classes)
        seconds.append(time.perf_counter() - started)
    given = [part.given.stop for part in tiles[0]]
    computed = len(tiles) * given[0] * given[1] if len(tiles) > 1 else size**2
    print(
        json.dumps(
            {
                "seconds": sorted(seconds)[len(seconds) // 2],
                "tiles": len(tiles),
                "tile": given[0] or size,
                "computed_share": computed / size**2,
                "own_gb": own.most / 1e6,
                "with_files_gb": status("VmHWM") / 1e6,
            }
        )
    )


def size_and_tile(text):
    size, _, tile = text.partition(":")
    return int(size), int(tile) if tile else "auto"


def status(key):
    """kB that the kernel counts for this process."""
    return int(Path("/proc/self/status").read_text().split(f"{key}:")[1].split()[0])


class Own(threading.Thread):
    """Looks again and again at the memory that is no file's, and remembers the most."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most = 0
        self.start()

    def run(self):
        while True:
            self.most = max(self.most, status("RssAnon"))
            time.sleep(0.01)


def main(options):
    if options.child:
        measure(options)
        return
    rows = {(row["model"], row["size"], row["most_tile"]): row for row in table.read(options.out)}
    for name in options.models:
        for case in options.sizes:
            size, tile = size_and_tile(case)
            with tempfile.TemporaryDirectory(dir=options.folder or None) as folder:
                command = [sys.executable, __file__, "--child", "--out", "", "--models", name]
                command += ["--sizes", case, "--dtype", options.dtype, "--folder", folder]
                env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
                done = subprocess.run(
                    command, env=env, stdout=subprocess.PIPE, check=True, text=True
                )
            found = json.loads(done.stdout.splitlines()[-1])
            rows[name, str(size), str(tile)] = {
                "model": name,
                "size": size,
                "most_tile": tile,
                "seconds": f"{found['seconds']:.3f}",
                "ns_per_pixel": f"{1e9 * found['seconds'] / size**2:.0f}",
                "tiles": found["tiles"],
                "tile": found["tile"],
                "computed_share": f"{found['computed_share']:.2f}",
                "own_gb": f"{found['own_gb']:.2f}",
                "with_files_gb": f"{found['with_files_gb']:.2f}",
                "dtype": options.dtype,
                **environment(),
            }
            print(*list(rows[name, str(size), str(tile)].values())[:10], sep="  ", flush=True)
            table.write(options.out, list(rows.values()))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
