"""A data set as arrays on disk, written once and memory-mapped: as large as the disk allows."""

import contextlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from dnzoo import storage


def place(name: str, data_dir: str | Path) -> Path:
    """The folder of the arrays of that name."""
    return Path(data_dir) / "arrays" / name


def cached(
    name: str,
    sources: Mapping[str, tuple[int | None, Iterable[tuple[np.ndarray, ...]]]],
    data_dir: str | Path,
    kinds: Sequence[str] = ("images", "masks"),
    beside: Mapping[str, Any] | None = None,
) -> dict[str, tuple[np.ndarray, ...]]:
    """Arrays of every split on disk, made on the first call: {split: (array, ...)}.

    Args:
        name: of the folder, in `data_dir`/arrays.
        sources: {split: (count, source)}; a source yields tuples of arrays, one per kind, each with
            some more rows. The count, of tuples, may be None; it is only for the progress bar.
        data_dir: where it all lies.
        kinds: names for the storage.
        beside: {file name: what JSON can hold}, to be kept with the arrays.

    Raises:
        OSError: when the disk is full or read-only.
        ValueError: when a source yields nothing.
    """
    folder = place(name, data_dir)
    if not folder.is_dir():
        with storage.owned(data_dir, wait=True):
            if not folder.is_dir():  # another process has made it meanwhile
                print(f"Preparing {folder}.", file=sys.stderr)
                with storage.new_folder(folder) as partial:
                    for split, (count, source) in sources.items():
                        _write(partial, split, count, source, kinds)
                    for file, value in (beside or {}).items():
                        (partial / file).write_text(json.dumps(value), "utf-8")
    return {
        split: tuple(np.load(folder / f"{split}_{kind}.npy", "r") for kind in kinds)
        for split in sources
    }


def _write(
    folder: Path,
    split: str,
    count: int | None,
    source: Iterable[tuple[np.ndarray, ...]],
    kinds: Sequence[str],
) -> None:
    from rich import get_console, progress

    quiet = not get_console().is_terminal
    with contextlib.ExitStack() as stack:
        growing = [
            stack.enter_context(open(folder / f"{split}_{kind}.npy", "wb")) for kind in kinds
        ]
        rows, last = 0, None
        for last in progress.track(
            source, f"preparing {split}", count, transient=True, disable=quiet
        ):
            for file, array in zip(growing, last, strict=True):
                if not rows:
                    _header(file, 0, array)
                file.write(np.ascontiguousarray(array).tobytes())
            rows += len(last[0])
        if not rows:
            raise ValueError(f"there is nothing in the {split} split.")
        for file, array in zip(growing, last):
            file.seek(0)
            _header(file, rows, array)


def _header(file: IO[bytes], rows: int, array: np.ndarray) -> None:
    """numpy's; it leaves room for more digits of the first axis, so that an array can grow."""
    shape = (rows, *array.shape[1:])
    description = np.lib.format.dtype_to_descr(array.dtype)
    np.lib.format.write_array_header_1_0(
        file, {"descr": description, "fortran_order": False, "shape": shape}
    )
