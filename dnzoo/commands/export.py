"""`dnzoo export`: a model for another runtime."""

import dataclasses
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from dnzoo import startup, terminal

FORMATS: Any = tyro.conf.arg(metavar="FILE.onnx|FILE.tflite|FILE.xml|FOLDER")
SIZE: Any = tyro.conf.arg(metavar="HEIGHT WIDTH")
WEIGHTS: Any = tyro.conf.arg(aliases=["--precision"])


@dataclasses.dataclass
class Export:
    """Write a model for another runtime, once that gives what Keras gives."""

    model: Annotated[tyro.conf.Positional[str], terminal.MODEL]
    """A pretrained model's name, or the folder of a SavedModel or a run."""
    file: Annotated[tyro.conf.Positional[str], FORMATS]
    """What to write: for ONNX Runtime, LiteRT or OpenVINO (a .bin beside it), or with --serving a folder."""
    signature: Annotated[str, terminal.NAME] = "serve"
    """Which part: serve, or decode for a VAE's decoder."""
    weights: Annotated[Literal["float32", "float16", "int8"], WEIGHTS] = "float32"
    """float16, for LiteRT and OpenVINO: half the size; int8, for LiteRT: a fourth, a few percent off."""
    batch: int | None = None
    """Fix how many images come at a time; LiteRT.js wants it."""
    size: Annotated[tuple[int, ...] | None, SIZE] = None
    """Fix the size of images, or of volumes (three numbers); LiteRT.js wants it."""
    serving: bool = False
    """Write FOLDER/VERSION/ for TensorFlow Serving: it takes arrays, and the bytes of JPEG and PNG files."""
    version: int | None = None
    """With --serving; none: one more than the largest in FOLDER."""
    overwrite: bool = False
    """Replace a file that is there."""

    def run(self) -> None:
        """Write the file, and say how large it is and how far its outputs are off."""
        startup.start_keras()
        from dnzoo import saving
        from dnzoo.deployment import formats, serving

        warnings.filterwarnings("ignore", category=FutureWarning, module="keras")  # NumPy's names
        path, version = Path(self.file), self.version
        if self.serving:
            version = version or serving.next_version(path)
        try:
            off = formats.export(
                saving.load(self.model),
                path,
                format="serving" if self.serving else None,
                signature=self.signature,
                weights=self.weights,
                overwrite=self.overwrite,
                batch=self.batch,
                size=self.size,
                version=version,
            )
        except RuntimeError as error:  # outputs differ: nothing was written
            raise ValueError(str(error)) from error
        if self.serving:
            path = path / str(version)
            files = [file for file in path.rglob("*") if file.is_file()]
        else:
            ends = next(ends for ends in formats.FILES.values() if ends[0] == path.suffix)
            files = [path.with_suffix(end) for end in ends]
        size = sum(file.stat().st_size for file in files)
        print(f"{path}: {size / 1e3:,.0f} kB, outputs within {off:.1e} of Keras's")
