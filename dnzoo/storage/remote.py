"""Weights that are not on this machine: from the release page into a folder, whole or not at all."""

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
import rich.console
import rich.progress

from dnzoo.storage import archive
from dnzoo.storage.disk import sha256
from dnzoo.storage.folder import OWN, owned

URL: str = "https://github.com/dnzoo/dnzoo/releases/download/v{version}"
TIMEOUT: tuple[float, float] = (10.0, 30.0)  # seconds: to connect, and without a byte
TRIES: int = 4  # each goes on where the last one broke off
PAUSE: float = 1.0  # seconds before the second, then twice as many
BUSY: tuple[int, ...] = (429, 500, 502, 503, 504)  # worth another try
CHUNK: int = 1 << 16  # bytes: so many are lost at a cut


def base_url() -> str:
    """Where models come from: the variable DNZOO_URL, or this version's release page."""
    from dnzoo import __version__

    return (os.environ.get("DNZOO_URL") or URL.format(version=__version__)).rstrip("/")


def fetch(name: str, entry: Mapping[str, Any], home: str | os.PathLike[str]) -> Path:
    """Download a model into `home` and give its folder; says so on stderr first.

    What was loaded before a cut is kept and gone on with, by this call or the next. Two processes
    that want the same model load it once. What was downloaded for another version is replaced.

    Args:
        name: of the model.
        entry: of the index: {"size": bytes of its files, "archive": bytes of the ZIP file,
            "archive_sha256": of that, "sha256": of its dnzoo.json}.
        home: the folder for models.

    Raises:
        ConnectionError: when it can't be had, with the reason and what to do, in one line.
        ValueError: when what came is not the file that this version of dnzoo lists, or what lies there is
            neither that nor a download as it came.
        OSError: when the disk is full or read-only.
    """
    home = Path(home)
    url, folder = f"{base_url()}/{name}.zip", home / name
    with contextlib.redirect_stdout(sys.stderr), owned(home, wait=True) as kept:
        said = folder / archive.EXTRA
        if said.is_file() and sha256(said) == entry["sha256"]:  # another process was quicker
            return folder
        if folder.exists() and not kept.holds(name):
            raise ValueError(
                f"{folder} is not the {name} that this version of dnzoo lists, and not as dnzoo downloaded "
                "it, so it is not replaced. Load it by its path, or move it away to get it again."
            )
        partial = home / OWN / f"{name}-{entry['archive_sha256'][:16]}.zip"
        instead = f", in the place of another version's {name}" if folder.exists() else ""
        print(f"Getting {name} ({entry['archive'] / 1e6:.1f} MB) from {url} into {home}{instead}")
        _download(url, partial, entry["archive"])
        try:
            _check(partial, entry["archive_sha256"], url)
            with kept.new_folder(name) as made:
                archive.extract(partial, made, entry["size"])
        finally:
            partial.unlink(missing_ok=True)
    return folder


def _download(url: str, partial: Path, size: int) -> None:
    """Append to `partial` until it has `size` bytes."""
    columns = [rich.progress.BarColumn(), rich.progress.DownloadColumn()]
    columns.append(rich.progress.TimeRemainingColumn())
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(*columns, console=console, transient=True) as bar:
        task, failed = bar.add_task("", total=size), ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                failed = _go_on(url, partial, size, bar, task)
            except requests.RequestException as error:
                failed = _words(error)
            if not failed:
                return
    raise ConnectionError(
        f"{url} could not be had ({failed}). Without a network: `dnzoo pack` on a machine that has the "
        "model makes a folder for DNZOO_HOME; DNZOO_URL names another address."
    )


def _go_on(
    url: str, partial: Path, size: int, bar: rich.progress.Progress, task: rich.progress.TaskID
) -> str:
    """One try: why it is not complete, or an empty text.

    Raises:
        ConnectionError: for an answer that another try would not change.
        ValueError: when more comes than `size`.
    """
    have = partial.stat().st_size if partial.exists() else 0
    if have == size:
        return ""
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code in BUSY:
            return f"the server answers {answer.status_code}"
        if answer.status_code not in (200, 206):
            raise ConnectionError(
                f"{url} is not there (the server answers {answer.status_code}): is DNZOO_URL right, and "
                "does its page belong to this version of dnzoo?"
            )
        goes_on = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not (answer.status_code == 206 and goes_on):
            have = 0  # it sends all of it
        bar.update(task, completed=have)
        with open(partial, "r+b" if have else "wb") as file:
            file.seek(have)
            for chunk in answer.iter_content(CHUNK):
                have += len(chunk)
                if have > size:
                    partial.unlink()
                    raise ValueError(f"{url} sends more than the {size:,} bytes of the model.")
                file.write(chunk)
                bar.update(task, completed=have)
    return "" if have == size else f"it broke off after {have:,} of {size:,} bytes"


def _words(error: requests.RequestException) -> str:
    """Why there is no answer, in a few words."""
    if isinstance(error, requests.Timeout) or "timed out" in str(error):  # in the middle of it
        return f"no answer within {TIMEOUT[1]:.0f} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.TooManyRedirects):
        return "the server redirects for ever"
    return "no connection" if isinstance(error, requests.ConnectionError) else str(error)


def _check(path: Path, expected: str, url: str) -> None:
    if sha256(path) != expected:
        raise ValueError(
            f"what {url} sent is not the file that this version of dnzoo lists (its SHA-256 differs): "
            "nothing was kept. Is DNZOO_URL right?"
        )
