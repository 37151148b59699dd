"""Where saved models lie: folders, DNZOO_HOME, the checkout, the wheel; and the index of all of them."""

import fnmatch
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnzoo.storage import archive
from dnzoo.storage.archive import EXTRA
from dnzoo.storage.disk import sha256
from dnzoo.storage.whole import new_folder, refuse_existing
from dnzoo.terminal import nearest
from dnzoo.words import label

if TYPE_CHECKING:
    import numpy as np

FORMAT: int = 2  # 1, before 2026-12, did not say what a model puts out
VARIABLES: str = "variables/variables.data-00000-of-00001"
INDEX: Path = Path(__file__).with_name("pretrained.json")
CHECKOUT: Path = Path(__file__).parents[2] / "saved_models"
SHIPPED: Path = (
    Path(__file__).parents[1] / "pretrained"
)  # the small ones, and wheels of `dnzoo pack`


def list_pretrained(pattern: str = "*") -> list[str]:
    """Names of pretrained models that `load` knows or finds, sorted; `pattern` as in a shell.

    Example:
        >>> list_pretrained("unet_fashion*")
        ['unet_fashion_scenes']
    """
    here = {meta.parents[1].name for place in _homes() for meta in place.glob(f"*/{EXTRA}")}
    return sorted(fnmatch.filter(here | set(read_index()), pattern))


def find(name_or_path: str | os.PathLike[str], download: bool = True) -> Path:
    """The folder of a pretrained model or of a path, which may be a run's; see `load`.

    A published model that is not on this machine is downloaded into `home()`, which stderr says, in the
    place of another version's that was downloaded there; with `download=False` that is a FileNotFoundError.
    """
    for folder in (Path(name_or_path), Path(name_or_path) / "saved_model"):
        if (folder / EXTRA).is_file():
            return folder
    if Path(name_or_path).exists():
        raise ValueError(
            f"{name_or_path} is no SavedModel of dnzoo's: {EXTRA} is missing. Only folders that "
            "dnzoo.save wrote can be loaded."
        )
    name = str(name_or_path)
    folder, entry = locate(name), read_index().get(name)
    if folder:
        return folder
    if entry and not download:
        there = (home() / name).exists()
        raise FileNotFoundError(
            f"{'of another version' if there else 'not'} on this machine: downloaded into {home()} when it "
            "is used (DNZOO_HOME names another)"
        )
    if entry:
        from dnzoo.storage import remote

        return remote.fetch(name, entry, home())
    if name in builders():
        raise FileNotFoundError(
            f"{name} is a model to be built, dnzoo.create_model({name!r}), and no trained one: "
            f"help(dnzoo.{name}) in Python says all of it.{nearest(name, list_pretrained())}"
        )
    known = list_pretrained()
    where = f"name one of {', '.join(known)}, or give a folder"
    raise FileNotFoundError(f"no model {name!r} here: {where}.{nearest(name, known)}")


def locate(name: str) -> Path | None:
    """Where this version's pretrained model of that name lies on this machine, if it does.

    What was downloaded for another version, in `home()`, is passed over.

    Raises:
        ValueError: when the folder in a checkout or an installed package is not the one that the index lists.
    """
    entry = read_index().get(name)
    for place in _homes():
        folder = place / name
        if os.sep not in name and (folder / EXTRA).is_file():
            if not entry or sha256(folder / EXTRA) == entry["sha256"]:
                return folder
            if place != home():
                raise ValueError(
                    f"{folder} is not the {name} that this version of dnzoo lists (damaged, or another "
                    "version). Load it by its path, or move it away to get it again."
                )
    return None


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
    """The pretrained models of this version: {name: facts}, as `make index` writes them."""
    return json.loads(INDEX.read_text("utf-8"))


def builders() -> list[str]:
    """The names of models to be built, read from dnzoo's stub: Keras is not imported."""
    stub = Path(__file__).parents[1].joinpath("__init__.pyi").read_text("utf-8")
    return re.findall(r"^from \.models\.\w+ import (\w+) as", stub, re.MULTILINE)


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


def pack(names: Sequence[str], out: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Copy models for machines without a network; what is not on this one is downloaded.

    Args:
        names: of pretrained models, or folders.
        out: a folder that gets a folder for each, for DNZOO_HOME; or a wheel for pip to install,
            `dnzoo_models-VERSION-py3-none-any.whl`.
        overwrite: replace a wheel that is there. Folders that are there are never replaced.

    Raises:
        ValueError: when the name of a wheel is none that pip takes.
        FileExistsError: when something is there.
        As `find`.
    """
    from dnzoo import __version__

    out, wheel = Path(out), f"dnzoo_models-{__version__}-py3-none-any.whl"
    if out.suffix == ".whl" and out.name != wheel:
        raise ValueError(
            f"pack: pip takes a wheel by its name only: call it {out.with_name(wheel)}."
        )
    folders = [find(name) for name in names]
    if out.suffix == ".whl":
        archive.write_wheel(folders, out, __version__, overwrite)
        return out
    for folder in folders:
        refuse_existing(out / folder.name)
    for folder in folders:
        with new_folder(out / folder.name) as made:
            for name, file in archive.files(folder).items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, made / name)
    return out


def home() -> Path:
    """Where downloaded models are kept: the variable DNZOO_HOME, or a cache folder of the user's."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DNZOO_HOME") or Path(cache, "dnzoo"))


def _homes() -> list[Path]:
    return [home(), CHECKOUT, SHIPPED]
