"""A folder that one process owns, and in which nothing is replaced or removed that dnzoo did not make."""

import contextlib
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dnzoo.storage import temporary
from dnzoo.storage.disk import sha256, writing
from dnzoo.storage.whole import new_file, new_folder, write_json

PATIENCE: float = 1.0  # seconds to wait for another owner before it is said
OWN: str = ".dnzoo"  # in the folder: the lock, who holds it, what was made
MADE: str = f"{OWN}/made.json"
OWNER: str = "process"
NOTED: str = "noted"
# what looking into a folder leaves there
LITTER: set[str] = {".DS_Store", "Thumbs.db", "desktop.ini"}


class Owned:
    """A folder that only this process writes to, and in which it replaces only what dnzoo made.

    What was made is known by its SHA-256, kept in the folder; so it stays known where the folder is
    moved or copied. The digest of a new file is noted before the file appears: a process that is
    killed at any moment leaves nothing that the next one takes for somebody else's.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        self._made = _read_made(self.path / MADE)
        self._written: dict[str, Any] = {}  # what this process wrote need not be read again

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return self.path / name

    def __str__(self) -> str:
        return str(self.path)

    def holds(self, name: str) -> bool:
        """Whether `name` is there and as dnzoo made it."""
        return self._known(name) is not None

    def _known(self, name: str) -> str | None:
        """The digest of what is there, if dnzoo made it; "noted" for a file that may hold anything."""
        path, digests = self.path / name, self._made.get(name, [])
        if not path.exists() or not digests:
            return None
        if NOTED in digests:
            return NOTED
        if self._written.get(name, ()) == _state(path):
            return digests[-1]
        digest = _digest(path)
        return digest if digest in digests else None

    def made(self, name: str) -> bool:
        """Whether dnzoo has made something of this name, wherever that is now."""
        return name in self._made

    def others(self, *names: str) -> list[str]:
        """Names of what is in the folder, but for these."""
        return sorted({path.name for path in self.path.iterdir()} - {OWN, *LITTER, *names})

    def check(self, *names: str) -> None:
        """Raise FileExistsError when something has one of the names and is not dnzoo's."""
        for name in names:
            if os.path.lexists(self.path / name) and not self.holds(name):
                raise FileExistsError(
                    f"{self.path / name} was not made by dnzoo for this folder, or was changed since, "
                    "and is not replaced: move it away and start the same command again."
                )

    def new_file(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """As the function `new_file`; replaces what dnzoo made there, and nothing else."""
        return new_file(self.path / name, lambda path, partial=None: self._claim(name, partial))

    def new_folder(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """As the function `new_folder`; replaces what dnzoo made there, and nothing else."""
        return new_folder(self.path / name, lambda path, partial=None: self._claim(name, partial))

    def write_json(self, name: str, value: Any) -> None:
        """As the function `write_json`; replaces what dnzoo made there, and nothing else."""
        write_json(self.path / name, value, lambda path, partial=None: self._claim(name, partial))

    def note(self, name: str) -> None:
        """Take a file for dnzoo's, whatever it will hold: one that is written to bit by bit."""
        self._note(name, [NOTED])

    def remove(self, name: str) -> None:
        """Remove a file that dnzoo made, or those in a folder, and the folder if it is empty then."""
        for made in [made for made in self._made if made == name or made.startswith(f"{name}/")]:
            if self.holds(made) and (self.path / made).is_file():
                (self.path / made).unlink()
        with contextlib.suppress(OSError):  # it is not there, no folder, or not empty
            (self.path / name).rmdir()

    def _claim(self, name: str, partial: Path | None) -> None:
        self.check(name)
        if partial is not None:
            there = self._known(name)
            self._note(name, [*([there] if there else []), _digest(partial)])
            if partial.is_file():
                self._written[name] = _state(partial)

    def _note(self, name: str, digests: list[str]) -> None:
        if self._made.get(name) != digests:
            self._made[name] = digests
            write_json(self.path / MADE, self._made, overwrite=True)


def _read_made(file: Path) -> dict[str, list[str]]:
    try:
        return json.loads(file.read_text("utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{file} can't be read ({error}): use another folder.") from error


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file is written to."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _digest(path: Path) -> str:
    """The SHA-256 of a file, or of all files in a folder and their names."""
    if path.is_file():
        return sha256(path)
    inside = sorted(p for p in path.rglob("*") if not p.is_dir() and p.name not in LITTER)
    lines = [f"{p.relative_to(path).as_posix()}\n{_digest(p)}\n" for p in inside]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextlib.contextmanager
def owned(
    folder: str | os.PathLike[str],
    wait: bool = False,
    alone: bool = False,
    beside: Sequence[str] = (),
) -> Iterator[Owned]:
    """Make `folder` if it is missing, and be the only process that writes there: gives an `Owned`.

    The lock is the operating system's and ends with its process, however that ends: a dead
    owner's is taken over. What a killed owner left half written is removed.

    Args:
        wait: wait for another owner, and say so, rather than refuse.
        alone: refuse a folder that has something in it and was never owned.
        beside: names that may be there all the same.

    Raises:
        BlockingIOError: when another process owns it and `wait` is false.
        FileExistsError: when `alone` refuses it.
        OSError: when the folder can't be written.
    """
    import filelock

    folder = Path(folder)
    if alone:
        refuse_filled(folder, beside)
    with writing(folder):
        lock, owner = _lock_files(folder)
        lock = filelock.FileLock(lock)
        try:
            lock.acquire(timeout=PATIENCE if wait else 0)
        except filelock.Timeout:
            who = _text(owner) or "another process"
            if not wait:
                raise BlockingIOError(
                    f"{folder} is being written by {who}: wait for it, end it, or use another folder."
                ) from None
            print(f"Waiting for {who}, which writes {folder}.")
            lock.acquire()
    try:
        with writing(folder):
            _remove_leftovers(folder)
            owner.write_text(f"{OWNER} {os.getpid()} on {platform.node()}", "utf-8")
        yield Owned(folder)
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _lock_files(folder: Path) -> tuple[Path, Path]:
    """Paths of the lock and of its owner's name, in a folder that is made; refuses other people's."""
    lock, owner = folder / OWN / "lock", folder / OWN / "owner"
    lock.parent.mkdir(parents=True, exist_ok=True)
    ours = not lock.exists() or lock.stat().st_size == 0
    said = _text(owner)  # empty while another process writes it
    if not ours or (said and not said.startswith(OWNER)):
        raise FileExistsError(
            f"{lock.parent} has files that dnzoo did not make: use another folder."
        )
    return lock, owner


def _text(file: Path) -> str:
    """What a small file holds; an empty text if it is not there, or goes meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_text("utf-8", "replace")
    return ""


def refuse_filled(folder: str | os.PathLike[str], beside: Sequence[str] = ()) -> None:
    """Raise FileExistsError where a folder was never owned and holds more than names in `beside`."""
    folder = Path(folder)
    if folder.is_dir() and not (folder / MADE).is_file():
        found = Owned(folder).others(*beside)
        # another process may be about to fill it
        found = [name for name in found if not temporary.target(Path(name), temporary.PARTIAL)]
        if found:
            names = ", ".join(found[:3]) + (" ..." if len(found) > 3 else "")
            raise FileExistsError(
                f"{folder} is not empty ({names}) and not a folder that dnzoo has filled: use another."
            )


def _remove_leftovers(folder: Path) -> None:
    for path in [*folder.glob(".*"), *folder.glob("*/.*")]:
        old = temporary.target(path, temporary.OLD)
        if old and not old.exists():
            os.replace(path, old)
        elif old or temporary.target(path, temporary.PARTIAL):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
