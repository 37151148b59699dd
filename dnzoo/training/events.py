"""Event files of TensorBoard's: scalars, images and text, written without TensorFlow."""

import io
import os
import time
from typing import Any

from PIL import Image


class Events:
    """Writes one event file into a folder.

    Args:
        folder: is made if it is missing.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))

    def scalar(self, tag: str, value: float, step: int) -> None:
        """A number at a step."""
        self._add(step, tag=tag, simple_value=value)

    def image(self, tag: str, image: Image.Image, step: int) -> None:
        """A Pillow image at a step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        data = io.BytesIO()
        image.convert("RGB").save(data, "png")
        shown = {"height": image.height, "width": image.width, "colorspace": 3}
        self._add(step, tag=tag, image=Summary.Image(**shown, encoded_image_string=data.getvalue()))

    def text(self, tag: str, text: str) -> None:
        """Markdown."""
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING
        from tensorboard.plugins.text.metadata import create_summary_metadata

        tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
        self._add(0, tag=tag, metadata=create_summary_metadata("", ""), tensor=tensor)

    def _add(self, step: int, **value: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(**value)])
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def flush(self) -> None:
        """Write what is held back."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is held back, and end."""
        self._writer.close()
