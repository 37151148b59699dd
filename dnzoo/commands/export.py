"""`dnzoo export`: a model for another runtime."""

import dataclasses
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from dnzoo import startup, terminal

FORMATS: Any = tyro.conf.arg(metavar="FILE.onnx|FILE.tflite|FILE.xml")


@dataclasses.dataclass
class Export:
    """Write a model for ONNX Runtime, LiteRT or OpenVINO, once the runtime gives what Keras gives."""

    model: Annotated[tyro.conf.Positional[str], terminal.MODEL]
    """A pretrained model's name, or the folder of a SavedModel or a run."""
    file: Annotated[tyro.conf.Positional[str], FORMATS]
    """What to write; the ending says for which runtime. OpenVINO gets a .bin beside it."""
    signature: Annotated[str, terminal.NAME] = "serve"
    """Which part: serve, or decode for a VAE's decoder."""
    weights: Literal["float32", "int8"] = "float32"
    """int8, for LiteRT: a fourth of the size, and outputs that are a few percent off."""
    overwrite: bool = False
    """Replace a file that is there."""

    def run(self) -> None:
        """Write the file, and say how large it is and how far its outputs are off."""
        startup.start_keras()
        from dnzoo import saving
        from dnzoo.deployment import formats

        warnings.filterwarnings("ignore", category=FutureWarning, module="keras")  # NumPy's names
        try:
            off = formats.export(
                saving.load(self.model),
                self.file,
                signature=self.signature,
                weights=self.weights,
                overwrite=self.overwrite,
            )
        except RuntimeError as error:  # outputs differ: nothing was written
            raise ValueError(str(error)) from error
        path = Path(self.file)
        files = next(ends for ends in formats.FILES.values() if ends[0] == path.suffix)
        size = sum(path.with_suffix(end).stat().st_size for end in files)
        print(f"{self.file}: {size / 1e3:,.0f} kB, outputs within {off:.1e} of Keras's")
