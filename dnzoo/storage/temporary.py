"""Names of temporary files that nobody else can have chosen, and the exchange of two paths."""

import ctypes
import errno
import hashlib
import os
import re
import secrets
import sys
from pathlib import Path

PARTIAL: str = "partial"
OLD: str = "old"
NAME: re.Pattern[str] = re.compile(
    r"\.(?P<name>.+)\.(?P<token>[0-9a-f]{8})-(?P<mark>[0-9a-f]{12})\.(?P<kind>partial|old)",
    re.DOTALL,
)


def marked(path: Path, kind: str) -> Path:
    """A new name beside `path`: `.<name>.<random>-<mark>.<kind>`, and the suffix that `path` has.

    The mark is a digest of the rest. So a file is taken for a leftover only where dnzoo chose its
    name, and only for one of the path that the name was chosen for.
    """
    token = secrets.token_hex(4)
    mark = _mark(path.name, token, kind)
    return path.with_name(f".{path.name}.{token}-{mark}.{kind}{path.suffix}")


def target(path: Path, kind: str) -> Path | None:
    """The path that a `marked` name was made for; None for a name of anybody else's."""
    match = NAME.match(path.name)
    if not match:
        return None
    name, token, mark = match["name"], match["token"], match["mark"]
    made = match["kind"] == kind and mark == _mark(name, token, kind)
    whole = path.name == f".{name}.{token}-{mark}.{kind}{Path(name).suffix}"
    return path.with_name(name) if made and whole else None


def _mark(name: str, token: str, kind: str) -> str:
    return hashlib.sha256(f"dnzoo\n{name}\n{token}\n{kind}".encode()).hexdigest()[:12]


def exchange(a: Path, b: Path) -> bool:
    """Let two paths change places in one step of the operating system's; whether it can do that.

    Linux (`renameat2`) and macOS (`renamex_np`) can, on most file systems; Windows can't.

    Raises:
        OSError: when it could, and it failed.
    """
    library = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    first, second = os.fsencode(a), os.fsencode(b)
    if hasattr(library, "renameat2"):
        here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        failed = library.renameat2(here, first, here, second, swap)
    elif sys.platform == "darwin" and hasattr(library, "renamex_np"):
        failed = library.renamex_np(first, second, 2)  # RENAME_SWAP
    else:
        return False
    number = ctypes.get_errno() if failed else 0
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # the file system can't
        return False
    if number:
        raise OSError(number, os.strerror(number), str(a))
    return True
