"""The tables and numbers of docs/speed.md, from the CSV files of benchmarks/."""

import csv
import statistics
from pathlib import Path

from page_table import table

import dnzoo
from dnzoo import analysis

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
WORKS = {
    "unet": "U-Net, 32 to 512 filters, 8 x 128 x 128",
    "dcgan": "DCGAN, 64 x 64 x 64 (inference: the generator)",
    "vae": "VAE, 128 x 28 x 28",
    "fcn8s_lite0": "FCN-8s, EfficientNet-Lite0, 4 x 256 x 256",
    "unet_lite0": "U-Net, EfficientNet-Lite0, 4 x 256 x 256",
    "mask_head": "mask head, 100 regions of 14 x 14",
    "edsr": "EDSR baseline x2, 16 x 48 x 48",
}
PRECISIONS = {"float32": "float32", "bf16": "bfloat16", "int8": "int8 weights"}


def read(name):
    with open(BENCHMARKS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Speed:
    """The rows of speed.csv of one device, by work, action, precision and framework."""

    def __init__(self, rows):
        keys = ("work", "action", "precision", "framework")
        self.rows = {tuple(row[key] for key in keys): row for row in rows}

    def ms(self, *key):
        row = self.rows.get(key)
        return float(row["ms"]) if row else None

    def best(self, work, action, precision, start):
        found = [
            float(row["ms"])
            for (w, a, p, framework), row in self.rows.items()
            if (w, a, p) == (work, action, precision) and framework.startswith(start)
        ]
        return min(found, default=None)

    def ratio(self, work, action, precision, ours, theirs):
        """Our median over the best of those whose name begins with `theirs`."""
        a, b = self.ms(work, action, precision, ours), self.best(work, action, precision, theirs)
        return a / b if a and b else None

    def frameworks(self, action):
        found = {key[3]: None for key in self.rows if key[1] == action}
        return list(found)


def shown(value, form=".0f"):
    return "" if value is None else f"{value:{form}}"


def training(speed):
    names = speed.frameworks("train")
    rows = [
        [
            title,
            PRECISIONS[precision],
            *(shown(speed.ms(work, "train", precision, name)) for name in names),
            f"**{shown(speed.ratio(work, 'train', precision, 'dnzoo', 'PyTorch'), '.2f')}**",
        ]
        for work, title in WORKS.items()
        for precision in ("float32", "bf16")
    ]
    return table(["a training step, ms", "", *names, "dnzoo / best PyTorch"], rows)


def inference(speed):
    names = speed.frameworks("infer")
    rows = [
        [
            title,
            PRECISIONS[precision],
            *(shown(speed.ms(work, "infer", precision, name), ".1f") for name in names),
            shown(speed.ratio(work, "infer", precision, "dnzoo", "OpenVINO"), ".2f"),
            shown(speed.ratio(work, "infer", precision, "dnzoo to OpenVINO", "OpenVINO"), ".2f"),
        ]
        for work, title in WORKS.items()
        for precision in PRECISIONS
    ]
    head = ["a batch, ms", "", *names, "dnzoo / OpenVINO", "our export / OpenVINO"]
    return table(head, rows)


def costs(speed):
    """Peak memory and start-up of the U-Net's contestants."""
    rows = [
        [framework, action, row["memory_mb"], row["start_s"]]
        for (work, action, precision, framework), row in speed.rows.items()
        if work == "unet" and precision == "bf16"
    ]
    return table(["U-Net, bfloat16", "", "peak memory, MB", "first result after, s"], rows)


def elsewhere(speeds):
    """The ratios on every device, the one of the other tables first."""
    head = ["dnzoo / the best peer", "", ""]
    for speed in speeds:
        row = next(iter(speed.rows.values()))
        reached = max(float(r["tflops"]) for r in speed.rows.values())
        head.append(f"{row['device']}, {row['date']}; at most {reached:.2f} TFLOPS")
    body = []
    for work in WORKS:
        for action, peer in (("train", "PyTorch"), ("infer", "OpenVINO")):
            for precision in ("float32", "bf16"):
                ratios = [s.ratio(work, action, precision, "dnzoo", peer) for s in speeds]
                row = [work, f"{action}, {peer}", PRECISIONS[precision]]
                body.append([*row, *(shown(r, ".2f") for r in ratios)])
    return table(head, [row for row in body if all(row[3:])])


def profile():
    rows = [row for row in read("step_profile") if row["net"] == "U-Net"]
    columns = [name for name in rows[0] if name in ("before", "after") or "alone" in name]
    body = [
        [PRECISIONS.get(row["precision"], "bfloat16"), row["kernels"], *(row[c] for c in columns)]
        for row in rows
    ]
    return table(["", "ms", *columns], body)


def outside():
    """{precision: share of the kernels' time in a step that is no convolution's}."""
    found = {}
    for kind in ("mixed_bfloat16", "float32"):
        spent = {
            row["kernels"]: float(row["after"])
            for row in read("step_profile")
            if row["precision"] == kind and row["after"] and row["kernels"] != "step"
        }
        others = [value for name, value in spent.items() if "convolution" not in name]
        found[kind] = sum(others) / sum(spent.values())
    return found


def alone():
    """Of the U-Net's bfloat16 step: (ms, of 3 x 3 convolutions alone in TensorFlow, in PyTorch)."""
    rows = [
        row
        for row in read("step_profile")
        if (row["net"], row["precision"]) == ("U-Net", "mixed_bfloat16")
    ]
    columns = ("alone, TensorFlow", "alone, PyTorch")
    sums = [sum(float(row[column]) for row in rows if row[column]) for column in columns]
    return float(rows[0]["after"]), *sums


def of_dcgan():
    """DCGAN's convolutions alone, in words."""
    rows = [row for row in read("step_profile") if row["net"] == "DCGAN"]
    parts = [
        f"{row['kernels'].split(', ')[1]} {row['alone, TensorFlow']} against {row['alone, PyTorch']} ms"
        for row in rows
        if row["precision"] == "mixed_bfloat16"
    ]
    return ", ".join(parts)


def levers():
    rows = read("levers")
    found = {(row["precision"], row["change"]): row for row in rows}
    body = [
        [
            change,
            f"{found['mixed_bfloat16', change]['ratio']}",
            f"{found['float32', change]['ratio']}",
            "" if row["beside"] == "as it is" else row["beside"],
        ]
        for (kind, change), row in found.items()
        if kind == "float32"
    ]
    return table(["change", "bfloat16, ratio", "float32, ratio", "beside"], body)


def int8_off():
    off = [float(row["off"]) for row in read("speed") if row["precision"] == "int8"]
    return f"{min(off):.0%} to {max(off):.0%}"


def mask_head():
    """What the output layer in bfloat16 makes of the mask head's step."""
    name = "mask head, output layer in the net's precision"
    [row] = [r for r in read("levers") if (r["precision"], r["change"]) == ("mixed_bfloat16", name)]
    return float(row["ratio"])


def precision():
    rows = read("precision")
    seeds = sorted({row["seed"] for row in rows})
    found = {(row["seed"], row["precision"]): row for row in rows}
    body = []
    for kind in ("float32", "mixed_bfloat16"):
        values = [found[seed, kind]["test_mean_iou"] for seed in seeds]
        mean = statistics.mean(map(float, values))
        body.append([kind, *values, f"{mean:.4f}", f"{statistics.stdev(map(float, values)):.4f}"])
    less = [
        float(found[s, "mixed_bfloat16"]["test_mean_iou"])
        - float(found[s, "float32"]["test_mean_iou"])
        for s in seeds
    ]
    mean, low, high = interval(less)
    said = f"Pair by pair bfloat16 is {mean:+.4f} off, with a 95 % interval from {low:+.4f} to {high:+.4f}"
    if low < 0 < high:
        lower = sum(value < 0 for value in less)
        said += (
            f": no difference that {len(less)} seeds could show, though {lower} of them are lower"
        )
    body = table(
        ["test mean IoU", *(f"seed {s}" for s in seeds), "mean", "standard deviation"], body
    )
    return f"{body}\n\n{said}."


def interval(values):
    """The mean and its 95 % interval by Student's t."""
    from scipy import stats

    mean, error = statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5
    return mean, *stats.t.interval(0.95, len(values) - 1, mean, error)


def any_size():
    head = [
        "model",
        "rows and columns",
        "tile at most",
        "seconds",
        "ns per pixel",
        "tiles of",
        "computed",
        "memory, GB",
        "with mapped files",
    ]
    keys = (
        "model",
        "size",
        "most_tile",
        "seconds",
        "ns_per_pixel",
        "tile",
        "computed_share",
        "own_gb",
    )
    keys += ("with_files_gb",)
    return table(head, [[row[key] for key in keys] for row in read("any_size")])


def linear():
    """What the table of sizes says."""
    found = {(row["size"], row["most_tile"]): row for row in read("any_size")}
    small, wide, huge = (
        found[key] for key in (("256", "auto"), ("16384", "4096"), ("20000", "auto"))
    )
    ratio = float(wide["ns_per_pixel"]) / float(small["ns_per_pixel"])
    seen = analysis.receptive_field(dnzoo.load(wide["model"])).size[0]
    return f"""Time is linear in pixels: with tiles of at most 4096 an image of 16,384 x 16,384 takes {ratio:.2f} times as long per pixel as one of 256 x 256. `tile="auto"` keeps to less memory, {huge["own_gb"]} GB for 20,000 x 20,000 pixels
of three colours ("with mapped files" are pages that the kernel takes back when it needs them), and its smaller tiles compute {huge["computed_share"]} times the pixels: this U-Net's pixels see {seen} across, and what it
needs beyond a tile is computed again by the next. The next lever: the decoder needs far less of that margin than the encoder, and could be cut to it."""


def install_machine():
    """Where and when start-up was measured."""
    row = read("install")[-1]
    return f"{row['cpu']}, {row['date']}"


def plain(name, columns):
    return table(list(columns), [[row[key] for key in columns.values()] for row in read(name)])
