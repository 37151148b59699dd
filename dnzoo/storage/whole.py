"""Outputs that appear whole or not at all, and never in the place of something else."""

import contextlib
import glob
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dnzoo.storage import temporary
from dnzoo.storage.disk import writing


@contextlib.contextmanager
def new_folder(
    path: str | os.PathLike[str], overwrite: bool | Callable[..., None] = False
) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` when the block ends well.

    Until then `path` stays as it is. Where the operating system can, the two are exchanged in one
    step; elsewhere the old one is put back if the second of two renames does not come about, at the
    latest by the next call.

    Args:
        path: the folder to make. An empty one may be there.
        overwrite: whether something may be there, which is then removed; or a function, called as
            `overwrite(path)` before the block and `overwrite(path, partial)` after it, that raises
            where it must stay.

    Raises:
        FileExistsError: when something is there and must stay.
        OSError: when it can't be written; see `writing`.
    """
    path = Path(os.path.realpath(path))  # what a link names is replaced, not the link
    claim = _claim(overwrite)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _put_back(path)
        claim(path)
        partial = temporary.marked(path, temporary.PARTIAL)
        partial.mkdir()
        try:
            yield partial
            claim(path, partial)
            if not path.exists():
                os.replace(partial, path)
            elif not temporary.exchange(partial, path):
                _replace_in_two_steps(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _replace_in_two_steps(partial: Path, path: Path) -> None:
    old = temporary.marked(path, temporary.OLD)
    try:
        os.replace(path, old)
        os.replace(partial, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise
    shutil.rmtree(old)


def _put_back(path: Path) -> None:
    """What a process that was killed between two renames had set aside."""
    for old in path.parent.glob(f".{glob.escape(path.name)}.*.{temporary.OLD}*"):
        if temporary.target(old, temporary.OLD) == path and not path.exists():
            os.replace(old, path)


@contextlib.contextmanager
def new_file(
    path: str | os.PathLike[str], overwrite: bool | Callable[..., None] = False
) -> Iterator[Path]:
    """The path of a temporary file that takes the place of `path` when the block ends well.

    Arguments and errors are those of `new_folder`.
    """
    path, claim = Path(path), _claim(overwrite)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        claim(path)
        partial = temporary.marked(path, temporary.PARTIAL)
        partial.touch(exist_ok=False)
        try:
            yield partial
            claim(path, partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def _claim(overwrite: bool | Callable[..., None]) -> Callable[..., None]:
    if callable(overwrite):
        return overwrite
    return (lambda path, partial=None: None) if overwrite else refuse_existing


def refuse_existing(path: str | os.PathLike[str], partial: Path | None = None) -> None:
    """Raise FileExistsError where something is at `path`, an empty folder excepted."""
    path = Path(path)
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise FileExistsError(
            f"{path} exists already: choose another path, move it away, or ask for overwrite."
        )


@contextlib.contextmanager
def scratch(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside `path`, removed at the end of the block, or by the next `owned`."""
    folder = temporary.marked(Path(path), temporary.PARTIAL)
    with writing(folder.parent):
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_json(
    path: str | os.PathLike[str], value: Any, overwrite: bool | Callable[..., None] = False
) -> None:
    """Write `value` as indented JSON, whole or not at all; `overwrite` as in `new_folder`."""
    with new_file(path, overwrite) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")
