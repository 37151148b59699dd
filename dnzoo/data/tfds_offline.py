"""TFDS data sets, prepared once; without a network the error comes within seconds."""

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnzoo import storage

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

OFFLINE_SECONDS: int = 8


def reachable(name: str, data_dir: str | Path, instead: str) -> "tfds.core.DatasetBuilder":
    """The prepared TFDS builder, or an error within seconds: TFDS alone tries for minutes.

    Args:
        name: of the data set and its configuration: "mnist", "div2k/bicubic_x2".
        data_dir: where TFDS keeps it.
        instead: what a folder must hold to serve as well, for the error.

    Raises:
        ConnectionError: when it must be fetched and there is no network.
        ImportError: when TensorFlow Datasets is missing, as it may be where conda installed dnzoo.
    """
    try:
        import tensorflow_datasets as tfds
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{name} is a name of TensorFlow Datasets, and {error.name} is missing: "
            "pip install tensorflow-datasets importlib_resources."
        ) from error

    if not any(Path(data_dir, name).glob("*/dataset_info.json")):
        url = next(iter(tfds.builder_cls(name.split("/")[0]).url_infos))
        if not _answers(url):
            raise ConnectionError(
                f"{name} must be fetched, and {url.split('/')[2]} does not answer. With a network, "
                f"try again; without, give a folder: data=<folder> with {instead}."
            )
    builder = tfds.builder(name, data_dir=str(data_dir))
    prepare(builder, data_dir)
    return builder


def _answers(url: str) -> bool:
    import requests

    answers: list[bool] = []

    def ask() -> None:
        try:
            requests.head(url, timeout=OFFLINE_SECONDS, allow_redirects=True)
            answers.append(True)
        except requests.RequestException:
            pass

    # a thread, because looking a name up has no time limit of its own
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(OFFLINE_SECONDS)
    return bool(answers)


def prepare(builder: Any, data_dir: str | Path) -> None:
    """Let TFDS prepare a data set where it is not; it appears whole or not at all."""
    import tensorflow_datasets as tfds
    from rich import get_console

    if builder.is_prepared():
        return
    if not get_console().is_terminal:
        tfds.disable_progress_bar()
    place = Path(builder.data_path)
    with storage.owned(data_dir, wait=True), storage.writing(data_dir):
        if not place.is_dir():  # another process may have made it meanwhile
            print(f"Preparing {builder.name} in {place}.", file=sys.stderr)
            with storage.scratch(Path(data_dir, builder.name)) as folder:
                made = type(builder)(config=builder.builder_config, data_dir=str(folder))
                # TFDS speaks of a download even where it makes the data itself
                with contextlib.redirect_stdout(io.StringIO()):
                    made.download_and_prepare(download_dir=str(Path(data_dir, "downloads")))
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(made.data_path, place)
        builder.info.read_from_directory(str(place))


def examples(builder: Any, split: str) -> Iterable[dict[str, Any]]:
    """The examples of a split in order, as dicts of arrays."""
    import tensorflow_datasets as tfds

    return tfds.as_numpy(builder.as_dataset(split=split))
