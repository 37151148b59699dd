"""The published models in one table, read off their cards: every number with how it was made.

python benchmarks/published.py --out benchmarks/published.csv
"""

import dataclasses

import table
import tyro

from dnzoo.storage import pretrained

KEYS = (
    *("data", "protocol", "seed", "best epoch", "training time", "date", "device", "versions"),
    *("command", "licence of the data", "limits"),
)


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""


def main(options):
    rows = []
    for name in pretrained.list_pretrained():
        meta = pretrained.read_meta(pretrained.find(name))
        numbers = {k: v for k, v in meta["metrics"].items() if not isinstance(v, dict)}
        made = meta["provenance"]
        for metric, value in numbers.items():
            rows.append(
                {
                    "model": name,
                    "parameters": meta["parameters"],
                    "metric": metric,
                    "value": f"{value:.4f}" if isinstance(value, float) else value,
                    **{key: made.get(key, "") for key in KEYS},
                }
            )
    table.write(options.out, rows)
    print(f"{len(rows)} numbers of {len(pretrained.list_pretrained())} models")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
