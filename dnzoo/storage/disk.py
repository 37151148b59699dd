"""Errors of a full or read-only disk, with what to do about them; and the SHA-256 of a file."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator

NO_ROOM: tuple[int, ...] = (errno.ENOSPC, errno.EDQUOT)
NO_RIGHT: tuple[int, ...] = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
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


def _explained(number: int, path: str | os.PathLike[str]) -> OSError:
    what = f"{path} can't be written ({os.strerror(number)}). What was written before is kept. "
    if number in NO_ROOM:
        what += "Make room, and the same command goes on."
    else:
        what += "Make the folder writable, and the same command goes on; or choose another."
    explained = OSError(what)
    explained.errno = number
    return explained


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
