"""Where saved models lie: folders, DNZOO_HOME, the checkout, and the index that the wheel ships."""

import fnmatch
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnzoo.storage.whole import write_json
from dnzoo.terminal import nearest
from dnzoo.words import label

if TYPE_CHECKING:
    import numpy as np

FORMAT: int = 2  # 1, before 2026-12, did not say what a model puts out
EXTRA: str = "assets.extra/dnzoo.json"
VARIABLES: str = "variables/variables.data-00000-of-00001"
INDEX: Path = Path(__file__).with_name("pretrained.json")
CHECKOUT: Path = Path(__file__).parents[2] / "saved_models"


def list_pretrained(pattern: str = "*") -> list[str]:
    """Names of pretrained models that `load` knows or finds, sorted; `pattern` as in a shell.

    Example:
        >>> list_pretrained("unet_fashion*")
        ['unet_fashion_scenes']
    """
    here = {meta.parents[1].name for home in _homes() for meta in home.glob(f"*/{EXTRA}")}
    return sorted(fnmatch.filter(here | set(read_index()), pattern))


def find(name_or_path: str | os.PathLike[str]) -> Path:
    """The folder of a pretrained model or of a path, which may be a run's; see `load`."""
    for folder in (Path(name_or_path), Path(name_or_path) / "saved_model"):
        if (folder / EXTRA).is_file():
            return folder
    if Path(name_or_path).exists():
        raise ValueError(
            f"{name_or_path} is no SavedModel of dnzoo's: {EXTRA} is missing. Only folders that "
            "dnzoo.save wrote can be loaded."
        )
    name, entry = str(name_or_path), read_index().get(str(name_or_path))
    for home in _homes():
        folder = home / name
        if os.sep not in name and (folder / EXTRA).is_file():
            if entry and sha256(folder / EXTRA) != entry["sha256"]:
                raise ValueError(
                    f"{folder} is not the {name} that this version of dnzoo lists (damaged, or "
                    f"another version). Load it by its path, or get the folder again."
                )
            return folder
    known = list_pretrained()
    where = "name one of " + ", ".join(known) + ", or give a folder"
    near = "" if entry else nearest(name, known)
    if entry:
        where = (
            f"copy saved_models/{name} ({entry['size'] / 1e6:.0f} MB) from a checkout of dnzoo to a "
            "folder and set DNZOO_HOME to that folder"
        )
    raise FileNotFoundError(f"no model {name!r} here: {where}.{near}")


def read_meta(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What `assets.extra/dnzoo.json` says, without building the model."""
    try:
        meta = json.loads((Path(folder) / EXTRA).read_text("utf-8"))
        if meta["format"] > FORMAT:
            raise ValueError(f"{folder} was written by a newer dnzoo: update dnzoo.")
        if not {"architecture", "weights", "checksums"} <= set(meta):
            raise KeyError("architecture, weights or checksums")
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{folder}: {EXTRA} can't be read ({error}); get it again.") from error
    return meta


def read_weights(folder: Path, meta: Mapping[str, Any]) -> "list[np.ndarray]":
    """The weights of a folder in the model's order, as arrays on disk.

    Args:
        folder: of the SavedModel.
        meta: what `read_meta` gives.

    Raises:
        ValueError: when a file is missing or damaged.
    """
    import numpy as np

    for file, expected in meta["checksums"].items():
        if not (folder / file).is_file() or sha256(folder / file) != expected:
            raise ValueError(f"{folder}: {file} is missing or damaged; get the folder again.")
    return [
        np.memmap(folder / VARIABLES, "<f4", "r", place["offset"], tuple(place["shape"]))
        for place in meta["weights"]
    ]


def read_index() -> dict[str, dict[str, Any]]:
    """The pretrained models of this version: {name: facts}, as `write_index` has them."""
    return json.loads(INDEX.read_text("utf-8"))


def facts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What the list of models says of one, from its `dnzoo.json`; None for what that does not say.

    Returns:
        `task`, `parameters`, `metric` (its first one), `value` of that, and `licence`, of what it was
        trained on. Task and metric are words.
    """
    provenance, metrics = meta.get("provenance") or {}, meta.get("metrics") or {}
    metric, value = next(iter(metrics.items()), (None, None))
    return {
        "task": provenance.get("task"),
        "parameters": meta.get("parameters"),
        "metric": None if metric is None else label(metric, meta.get("labels")),
        "value": value,
        "licence": provenance.get("licence of the data"),
    }


def write_index() -> None:
    """List the checkout's saved_models/ in the index that the wheel ships (`make index`).

    Of each: `sha256` of its dnzoo.json, `size` in bytes, and its `facts`. A folder that was written
    before cards named the task is loaded, to see which task teaches such models, and its words.
    """
    from dnzoo import saving, tasks  # what lies above, and needs Keras

    index = {}
    for file in sorted(CHECKOUT.glob(f"*/{EXTRA}")):
        folder = file.parents[1]
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        meta = read_meta(folder)
        if facts(meta)["task"] is None:
            task = tasks.of(saving.load(folder))
            meta["provenance"]["task"], meta["labels"] = task.words(), task.labels
        said = facts(meta)
        index[folder.name] = {"sha256": sha256(file), "size": size, **said}
    write_json(INDEX, index, overwrite=True)


def _homes() -> list[Path]:
    home = os.environ.get("DNZOO_HOME")
    return [*([Path(home)] if home else []), CHECKOUT]


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
