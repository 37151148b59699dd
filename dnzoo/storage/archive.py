"""A SavedModel's folder as one file, the same bytes whoever makes it, and as a wheel."""

import base64
import hashlib
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

from dnzoo.storage.whole import new_file

EXTRA: str = "assets.extra/dnzoo.json"  # in every folder of ours


def files(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """What an archive of the folder holds: {name inside: file}, sorted; hidden files are left out."""
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in found}
    return {name: names[name] for name in sorted(names) if not Path(name).name.startswith(".")}


def write(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Write a ZIP file of a folder: stored, without times, so that its SHA-256 is always the same.

    Args:
        folder: of the SavedModel.
        path: the file to make or replace.
    """
    with zipfile.ZipFile(path, "w") as archive:
        _add(archive, "", files(folder))


def extract(path: str | os.PathLike[str], folder: str | os.PathLike[str], size: int) -> None:
    """Fill an empty folder with what `write` wrote.

    Args:
        path: the ZIP file.
        folder: an empty folder.
        size: bytes that the files may have together.

    Raises:
        ValueError: when it is no such file: damaged, names that lead out of the folder, more bytes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inside = archive.infolist()
            if sum(item.file_size for item in inside) > size:
                raise ValueError(f"{path} holds more than the {size:,} bytes that it should.")
            root = Path(folder).resolve()
            for item in inside:
                plain = not item.is_dir() and item.external_attr >> 16 & 0o170000 in (0, 0o100000)
                if not plain or not (root / item.filename).resolve().is_relative_to(root):
                    raise ValueError(
                        f"{path} holds {item.filename!r}, which is no file of a model."
                    )
            archive.extractall(root)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path} is damaged ({error}).") from error


def write_wheel(
    folders: Iterable[Path], path: str | os.PathLike[str], version: str, overwrite: bool = False
) -> None:
    """Write a wheel that puts models where an installed dnzoo finds them, for machines without a network.

    Args:
        folders: of SavedModels; their names are the models' names.
        path: `dnzoo_models-VERSION-py3-none-any.whl`, or a folder to write that file in.
        version: of the wheel: dnzoo's.
        overwrite: replace a file that is there.

    Raises:
        FileExistsError: when the file is there and `overwrite` is false.
    """
    info = f"dnzoo_models-{version}.dist-info"
    said = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: dnzoo-models\nVersion: {version}\n"
        "Summary: SavedModels that dnzoo.load finds by their names\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: dnzoo\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with new_file(path, overwrite) as partial, zipfile.ZipFile(partial, "w") as wheel:
        lines = []
        for folder in folders:
            lines += _add(wheel, f"dnzoo/pretrained/{folder.name}/", files(folder))
        for name, text in said.items():
            lines.append(_put(wheel, name, text.encode()))
        record = f"{info}/RECORD"
        _put(wheel, record, "\n".join([*lines, f"{record},,", ""]).encode())


def _add(archive: zipfile.ZipFile, prefix: str, paths: dict[str, Path]) -> list[str]:
    return [_put(archive, prefix + name, path.read_bytes()) for name, path in paths.items()]


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> str:
    """Add a file, and give its line for a wheel's RECORD."""
    entry = zipfile.ZipInfo(name)  # of 1980: no time of today
    entry.external_attr = 0o100644 << 16
    entry.create_system = 3
    archive.writestr(entry, data)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(data)}"
