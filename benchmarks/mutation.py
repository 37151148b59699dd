"""Would the tests notice? Mutants of the arithmetic, the initialisers and the metrics.

cosmic-ray changes one thing at a time (an operator to its opposite, a number by one, a condition, a
default) in a copy of the checkout, and runs the module's own tests. One row a mutant; a survivor keeps the
reason that was written into the CSV. Install first: pip install cosmic-ray. 45 minutes on 2 cores:
    python benchmarks/mutation.py --out benchmarks/mutation.csv
"""

import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import table
import tyro

from dnzoo import training

ROOT = Path(__file__).parents[1]
TESTS = {
    "dnzoo/layers/geometry.py": "tests/layers/test_geometry.py",
    "dnzoo/layers/initializers.py": "tests/layers/test_initializers.py",
    "dnzoo/metrics/matrix.py": "tests/metrics/test_metrics.py",
    "dnzoo/metrics/segmentation.py": "tests/metrics/test_metrics.py",
}
# One opposite for each operator: with all of them a mutant takes the place of another ten times.
OPPOSITES = """Add_Sub Sub_Add Mul_FloorDiv FloorDiv_Mul Div_Mul Mod_Mul Pow_Mul BitAnd_BitOr
    BitOr_BitAnd""".split()
COMPARISONS = (
    "Eq_NotEq NotEq_Eq Lt_LtE LtE_Lt Gt_GtE GtE_Gt Is_IsNot IsNot_Is In_NotIn NotIn_In".split()
)
CONFIG = """
[cosmic-ray]
module-path = "{module}"
timeout = 120.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:cacheprovider {tests}"
[cosmic-ray.distributor]
name = "local"
[cosmic-ray.filters.operators-filter]
exclude-operators = [
    "core/ReplaceBinaryOperator_(?!({opposites})$)",
    "core/ReplaceComparisonOperator_(?!({comparisons})$)",
]
"""


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write; reasons in it are kept."""
    modules: tuple[str, ...] = tuple(TESTS)


def mutate(module, folder):
    """All mutants of a module in a copy of the checkout: [(mutant, killed, change)]."""
    for name in ("dnzoo", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", folder)
    config = CONFIG.format(
        module=module,
        python=sys.executable,
        tests=TESTS[module],
        opposites="|".join(OPPOSITES),
        comparisons="|".join(COMPARISONS),
    )
    (folder / "config.toml").write_text(config)
    for command in (
        ["cosmic-ray", "init", "config.toml", "session.sqlite"],
        ["cosmic-ray", "baseline", "config.toml"],
        ["cr-filter-operators", "session.sqlite", "config.toml"],
        ["cosmic-ray", "exec", "config.toml", "session.sqlite"],
    ):
        program = Path(sys.executable).with_name(command[0])
        subprocess.run([program, *command[1:]], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    program = Path(sys.executable).with_name("cosmic-ray")
    dumped = subprocess.run(
        [program, "dump", "session.sqlite"], cwd=folder, check=True, capture_output=True, text=True
    )
    for line in dumped.stdout.splitlines():
        work, result = json.loads(line)
        if result and result.get("worker_outcome") != "skipped":
            mutation = work["mutations"][0]
            changed = [
                part[1:].strip()
                for part in (result.get("diff") or "").splitlines()
                if part[:1] in "+-" and part[:3] not in ("+++", "---")
            ]
            yield {
                "module": module,
                "line": str(mutation["start_pos"][0]),
                "change": " => ".join(changed),
                "killed": str(result["test_outcome"] != "survived"),
            }


def run(module):
    with tempfile.TemporaryDirectory() as folder:
        return list(mutate(module, Path(folder)))


def main(options):
    known = table.read(options.out)
    reasons = {(row["module"], row["change"]): row["reason"] for row in known}
    with ThreadPoolExecutor(2) as pool:
        rows = [row for found in pool.map(run, options.modules) for row in found]
    for row in rows:
        row["reason"] = reasons.get((row["module"], row["change"]), "")
        row |= {key: training.environment()[key] for key in ("date",)}
    rows += [row for row in known if row["module"] not in options.modules]
    table.write(options.out, sorted(rows, key=lambda row: (row["module"], int(row["line"]))))
    for module in TESTS:
        of_module = [row for row in rows if row["module"] == module]
        killed = sum(row["killed"] == "True" for row in of_module)
        if of_module:
            print(f"{module}: {killed} of {len(of_module)} killed, {killed / len(of_module):.1%}")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
