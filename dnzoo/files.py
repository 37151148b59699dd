"""Outputs that appear whole or not at all, and folders that one process owns."""

import contextlib
import errno
import json
import os
import platform
import shutil
import tempfile
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def writing(path):
    """Errors of a full or read-only disk, and TensorFlow's own, say what to do about `path`.

    Raises:
        OSError: with the same `errno`, where there is one.
    """
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        if number is None:  # TensorFlow and TFDS only say it in words
            said = str(error)
            number = next((n for n in NO_ROOM + NO_RIGHT if os.strerror(n) in said), None)
        if number in NO_ROOM + NO_RIGHT:
            raise _explained(number, path) from error
        if type(error).__module__.startswith("tensorflow.python"):
            raise OSError(f"TensorFlow could not write {path}: {error}") from error
        raise


def _explained(number, path):
    what = f"{path} can't be written ({os.strerror(number)}). What was written before is kept. "
    if number in NO_ROOM:
        what += "Make room, and the same command goes on."
    else:
        what += "Make the folder writable, and the same command goes on; or choose another."
    explained = OSError(what)
    explained.errno = number
    return explained


@contextlib.contextmanager
def new_folder(path, overwrite=False):
    """A temporary folder that takes the place of `path` when the block ends well.

    Raises:
        FileExistsError: when `path` is there already, is not empty, and `overwrite` is false.
        OSError: when it can't be written; see `writing`.
    """
    path = Path(path)
    if not overwrite and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} exists already: remove it or choose another path.")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(
            tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        )
        try:
            partial.chmod(0o777 & ~_umask())
            yield partial
            if path.exists():
                old = Path(
                    tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent)
                )
                os.replace(path, old / "was")
                os.replace(partial, path)
                shutil.rmtree(old)
            else:
                os.replace(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def new_file(path):
    """The path of a temporary file that takes the place of `path` when the block ends well.

    Raises:
        OSError: when it can't be written; see `writing`.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=f".partial{path.suffix}", dir=path.parent
        )
        os.close(handle)
        try:
            os.chmod(partial, 0o666 & ~_umask())
            yield Path(partial)
            os.replace(partial, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)


def write_json(path, value):
    """Write `value` as indented JSON, whole or not at all."""
    with new_file(path) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


@contextlib.contextmanager
def owned(folder, wait=False):
    """Make `folder` if it is missing, and be the only process that writes there.

    The lock is the operating system's and ends with its process, however that ends: a dead
    owner's is taken over. What a killed owner left half written is removed.

    Args:
        wait: wait for another owner, and say so, rather than refuse.

    Raises:
        BlockingIOError: when another process owns it and `wait` is false.
        OSError: when the folder can't be written.
    """
    import filelock

    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock")
        owner = folder / ".owner"
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            who = owner.read_text("utf-8") if owner.is_file() else "another process"
            if not wait:
                raise BlockingIOError(
                    f"{folder} is being written by {who}: wait for it, end it, or use another folder."
                ) from None
            print(f"Waiting for {who}, which writes {folder}.")
            lock.acquire()
    try:
        with writing(folder):
            _remove_leftovers(folder)
            owner.write_text(f"process {os.getpid()} on {platform.node()}", "utf-8")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _remove_leftovers(folder):
    for pattern in (".*.partial*", "*/.*.partial*", ".*.old"):
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
