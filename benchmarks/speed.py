"""How fast is dnzoo: training and inference of whole nets, beside PyTorch, Keras alone, OpenVINO and others.

Every contestant is a process of its own; they take turns, so that the machine's moods hit all, and the
ratio of medians is what counts. All get the same weights, and have to put out the same. Let nothing
else run; an hour on 2 cores:
    python benchmarks/speed.py --out benchmarks/speed.csv
On a GPU (JAX beside PyTorch):
    KERAS_BACKEND=jax python benchmarks/speed.py --device gpu --out benchmarks/speed_gpu.csv
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import numpy as np
import table
import tyro
from speed_child import CONTESTANTS
from speed_works import WORKS

from dnzoo import training

ON_GPU = ("unet_wide", "dcgan", "edsr")
PRECISIONS = {
    "dnzoo to ONNX Runtime": ("float32",),
    "dnzoo to LiteRT": ("float32", "int8"),
}
OFF = {"float32": 1e-3, "bf16": 0.1, "int8": 0.2}  # of the largest output, that may differ
SECONDS = 1.2  # of a turn


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write; rows of what is not measured now are kept."""
    device: Literal["cpu", "gpu"] = "cpu"
    works: tuple[str, ...] = ()
    """Which works; none: all of the device."""
    actions: tuple[str, ...] = ("train", "infer")
    turns: int = 5
    """How often each contestant runs."""
    peak_tflops: float = 0.0
    """Of the device in bfloat16, to state the share that is reached."""


class Contestant:
    """A child process that has set itself up."""

    def __init__(self, name, command, folder, **env):
        self.name, self.times = name, []
        env = {"TF_CPP_MIN_LOG_LEVEL": "3", "SPEED_STARTED": str(time.time()), **env}
        self.process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **env},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(Path(folder, "errors"), "w"),  # noqa: SIM115
        )
        self.said, self.steps = self._answer(folder), 0

    def _answer(self, folder=None):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        why = Path(folder, "errors").read_text()[-2000:] if folder else ""
        raise RuntimeError(f"{self.name} ended. {why}")

    def turn(self):
        """Run for a while; the first turn only finds out how many steps that are."""
        self._tell({"steps": self.steps or 1})
        ms = self._answer()["ms"]
        if self.steps:
            self.times.append(ms)
        self.steps = max(1, min(500, round(1000 * SECONDS / ms)))

    def end(self):
        """The process's peak memory, in MB."""
        self.process.stdin.write("\n")
        self.process.stdin.close()
        memory = self._answer()["memory_mb"]
        self.process.wait()
        return memory

    def _tell(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()


def measure(work, action, precision, folder, options):
    """A row for each contestant of one work, action and precision."""
    names = [name for kind, name in CONTESTANTS if kind == action]
    if options.device == "gpu":
        names = [
            name for name in names if name.startswith(("dnzoo", "PyTorch")) and " to " not in name
        ]
    names = [name for name in names if precision in PRECISIONS.get(name, ("float32", "bf16"))]
    script, place = "benchmarks/speed_child.py", str(folder)
    contestants = [
        Contestant(
            name,
            [script, work, action, name, precision, place],
            folder,
            SPEED_DEVICE=options.device,
        )
        for name in names
    ]
    off = _compare(work, contestants, action, precision, folder)
    for _ in range(options.turns + 1):
        for contestant in contestants:
            contestant.turn()
    medians = {c.name: statistics.median(c.times) for c in contestants}
    peers = [ms for name, ms in medians.items() if not name.startswith("dnzoo")]
    rows = []
    for contestant in contestants:
        quarters = statistics.quantiles(contestant.times, n=4)
        ms = medians[contestant.name]
        row = {
            "work": work,
            "action": action,
            "precision": precision,
            "framework": contestant.name,
            "ms": f"{ms:.1f}",
            "quarter_ms": f"{quarters[0]:.1f}",
            "three_quarters_ms": f"{quarters[2]:.1f}",
            "ratio_to_best_peer": f"{ms / min(peers):.2f}" if peers else "",
            "memory_mb": f"{contestant.end():.0f}",
            "start_s": f"{contestant.said['start_s']:.1f}",
            "off": f"{off[contestant.name]:.0e}",
            "tflops": f"{_operations(work, action) / ms / 1e9:.2f}",
            **versions(),
        }
        if options.peak_tflops:
            row["share_of_peak"] = f"{float(row['tflops']) / options.peak_tflops:.2f}"
        rows.append(row)
        print(*list(row.values())[:12], sep="  ", flush=True)
    return rows


def _compare(work, contestants, action, precision, folder):
    """How far each one's output, or first loss, is from PyTorch's or, with int8, from float32's.

    Raises:
        RuntimeError: when they do not compute the same.
    """
    if action == "train":
        losses = {c.name: c.said["loss"] for c in contestants}
        off = {name: abs(loss / losses["PyTorch"] - 1) for name, loss in losses.items()}
    else:
        truth = np.load(folder / "PyTorch-float32.npy")
        made = {c.name: np.load(folder / f"{c.name}-{precision}.npy") for c in contestants}
        off = {name: np.abs(y - truth).max() / np.abs(truth).max() for name, y in made.items()}
    # losses of a GAN and of a VAE are those of random latents
    allowed = 0.3 if action == "train" and WORKS[work].loss is None else OFF[precision]
    wrong = {name: value for name, value in off.items() if not value <= allowed}
    if wrong:
        raise RuntimeError(f"{work}, {action}, {precision}: these differ from PyTorch by {wrong}")
    return off


def _operations(name, action):
    """Floating point operations of a step: two for each multiply-accumulate, thrice in training."""
    import speed_works

    from dnzoo import analysis

    work = WORKS[name]
    model, x = work.build(), work.inference_input()
    if action == "train" and hasattr(model, "generator"):
        # the generator and three times the discriminator, forward; of the last no filter gradients
        parts = ((model.generator, x.shape[1:], 3), (model.discriminator, (64, 64, 3), 8))
    else:
        parts = ((speed_works.predictor(model), x.shape[1:], 3 if action == "train" else 1),)
    return 2 * len(x) * sum(n * analysis.complexity(net, shape).macs for net, shape, n in parts)


def versions():
    """Of what was measured, and what the CPU can do."""
    import importlib.metadata

    flags = ""
    if os.path.exists("/proc/cpuinfo"):
        found = Path("/proc/cpuinfo").read_text().split()
        flags = " ".join(f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in found)
    packages = ("torch", "openvino", "onnxruntime", "ai-edge-litert", "jax")
    known = {}
    for package in packages:
        try:
            known[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            known[package] = ""
    return {**training.environment(), **known, "cpu_flags": flags}


def main(options):
    if options.device == "gpu":
        import torch

        if not torch.cuda.is_available():
            raise SystemExit("--device gpu: PyTorch finds no GPU here.")
    names = options.works or (ON_GPU if options.device == "gpu" else tuple(WORKS)[1:])
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            env = {**os.environ, "SPEED_DEVICE": options.device, "TF_CPP_MIN_LOG_LEVEL": "3"}
            command = [sys.executable, "benchmarks/speed_child.py", name, "prepare", "", "", folder]
            subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
            for action in options.actions:
                for precision in ("float32", "bf16", "int8"):
                    if precision == "int8" and (action == "train" or options.device == "gpu"):
                        continue
                    rows = measure(name, action, precision, Path(folder), options)
                    _store(options.out, rows)


def _store(path, rows):
    keys = ("work", "action", "precision", "framework", "device")
    new = {tuple(row[key] for key in keys) for row in rows}
    old = [row for row in table.read(path) if tuple(row[key] for key in keys) not in new]
    order = {name: place for place, name in enumerate(WORKS)}
    table.write(path, sorted([*old, *rows], key=lambda row: (order[row["work"]], row["action"])))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
