"""Where saved models lie: folders, DNZOO_HOME, the checkout, and the index that the wheel ships."""

import fnmatch
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dnzoo.storage.whole import write_json

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
    """The folder of a pretrained model or of a path; see `load`."""
    if (Path(name_or_path) / EXTRA).is_file():
        return Path(name_or_path)
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
    where = "name one of " + ", ".join(list_pretrained()) + ", or give a folder"
    if entry:
        where = (
            f"copy saved_models/{name} ({entry['size'] / 1e6:.0f} MB) from a checkout of dnzoo to a "
            "folder and set DNZOO_HOME to that folder"
        )
    raise FileNotFoundError(f"no model {name!r} here: {where}.")


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


def read_weights(folder: Path, meta: Mapping[str, Any]) -> list[np.ndarray]:
    """The weights of a folder in the model's order, as arrays on disk.

    Args:
        folder: of the SavedModel.
        meta: what `read_meta` gives.

    Raises:
        ValueError: when a file is missing or damaged.
    """
    for file, expected in meta["checksums"].items():
        if not (folder / file).is_file() or sha256(folder / file) != expected:
            raise ValueError(f"{folder}: {file} is missing or damaged; get the folder again.")
    return [
        np.memmap(folder / VARIABLES, "<f4", "r", place["offset"], tuple(place["shape"]))
        for place in meta["weights"]
    ]


def read_index() -> dict[str, dict[str, Any]]:
    """The pretrained models of this version: {name: {"sha256", "size"}}."""
    return json.loads(INDEX.read_text("utf-8"))


def describe(name: str) -> tuple[str, str, str, str]:
    """A pretrained model in words: (MB, its first metric, that metric's value, where it lies)."""
    size = f"{read_index()[name]['size'] / 1e6:.1f}" if name in read_index() else ""
    try:
        folder = find(name)
    except (FileNotFoundError, ValueError) as error:
        return size, "", "", str(error)
    metric, value = next(iter((read_meta(folder)["metrics"] or {"": ""}).items()))
    value = f"{value:.4f}" if isinstance(value, float) else str(value)
    return size, metric, value, str(folder)


def write_index() -> None:
    """List the checkout's saved_models/ in the index that the wheel ships (`make index`)."""
    index = {}
    for meta in sorted(CHECKOUT.glob(f"*/{EXTRA}")):
        folder = meta.parents[1]
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        index[folder.name] = {"sha256": sha256(meta), "size": size}
    write_json(INDEX, index, overwrite=True)


def _homes() -> list[Path]:
    home = os.environ.get("DNZOO_HOME")
    return [*([Path(home)] if home else []), CHECKOUT]


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
