"""What someone waits for who has just installed dnzoo, and how much of the disk it takes.

    python benchmarks/install.py --wheel dist/dnzoo-0.1.0-py3-none-any.whl --out benchmarks/install.csv

installs the wheel into an empty environment (several minutes, 3 GB for a while); `--python VENV/bin/python`
measures one that is there. Each command is run once unmeasured, then five times; the median counts. CPU
seconds, of all cores, are what other work on the machine moves least. Rows of other versions are kept.
"""

import dataclasses
import datetime
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import table
import tyro

REPEATS = 5
COMMANDS = {
    "import dnzoo": ("python", "-c", "import dnzoo"),
    "dnzoo --help": ("dnzoo", "--help"),
    "dnzoo list": ("dnzoo", "list"),
    "2,000 scenes of 128 x 128": (
        "python",
        "-c",
        "import sys; from dnzoo.data import segmentation; segmentation.load('fashion_scenes', sys.argv[1])",
    ),
}


@dataclasses.dataclass
class Options:
    """What is measured."""

    label: str
    """What the rows are called: a version, a commit."""
    wheel: Path | None = None
    """The wheel to install."""
    python: Path | None = None
    """The Python of an environment that has dnzoo, in place of a new one."""
    out: Path = Path("benchmarks/install.csv")
    """The CSV file."""


def main(options):
    """Measure, and put the rows in the place of those of the same label."""
    with tempfile.TemporaryDirectory() as folder:
        python, found = options.python, []
        if python is None:
            python = Path(folder, "venv/bin/python")
            subprocess.run([sys.executable, "-m", "venv", Path(folder, "venv")], check=True)
            empty = size(Path(folder, "venv"))
            wall, cpu = timed([python, "-m", "pip", "install", "--quiet", options.wheel], folder)
            found.append(("pip install", wall, cpu, size(Path(folder, "venv")) - empty))
        if options.wheel:
            found.append(("the wheel", "", "", options.wheel.stat().st_size / 1e6))
        for name, (program, *arguments) in COMMANDS.items():
            command = [python.with_name(program), *arguments]
            if "scenes" in name:
                wall, cpu = timed([*command, f"{folder}/data"], folder)
                found.append((name, wall, cpu, size(Path(folder, "data"))))
                continue
            runs = [timed(command, folder) for _ in range(1 + REPEATS)][1:]
            found.append((name, *(statistics.median(column) for column in zip(*runs)), ""))
    stamp = {
        "load": f"{os.getloadavg()[1]:.1f}",
        "cpu": cpu_name(),
        "date": str(datetime.date.today()),
    }
    rows = [
        {
            "version": options.label,
            **dict(zip(("what", "seconds", "cpu_seconds", "mb"), rounded(one))),
        }
        | stamp
        for one in found
    ]
    kept = [row for row in table.read(options.out) if row["version"] != options.label]
    table.write(options.out, [*kept, *rows])


def timed(command, folder):
    """Seconds, and CPU seconds of its processes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def size(folder):
    """Megabytes of its files."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def rounded(values):
    """Numbers as text of at least two digits."""
    return [
        f"{v:.2g}" if isinstance(v, float) and v < 10 else f"{v:.0f}" if isinstance(v, float) else v
        for v in values
    ]


def cpu_name():
    """Of the processor, and how many cores."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    family, model = (
        next(line.partition(": ")[2] for line in lines if line.split("\t")[0] == key)
        for key in ("cpu family", "model")
    )
    return f"{os.cpu_count()} cores, {name} (family {family} model {model})"


if __name__ == "__main__":
    main(tyro.cli(Options))
