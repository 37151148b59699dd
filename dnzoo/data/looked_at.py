"""A look at a folder alone, without a training: what `dnzoo check` prints."""

from collections.abc import Sequence
from pathlib import Path

from dnzoo.data import check, photographs
from dnzoo.data import folder as masks


def look_at(
    folder: str | Path,
    mask_values: Sequence[int] | None = None,
    white: float | None = None,
    black: float | None = None,
    seed: int = 0,
) -> list[str]:
    """Print what a folder holds, and what is wrong with it; every file is read.

    Args:
        folder: with images and masks as `dnzoo.data.segmentation.load` takes them, or of images.
        mask_values, white, black, seed: as there.

    Returns:
        What is wrong, a sentence each; []: it can be trained on.

    Raises:
        FileNotFoundError: when there is no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder.")
    try:
        if masks.has_masks(folder):
            found = masks.look(folder, seed, mask_values, None, (black, white), thorough=True)
        else:
            paths = photographs.find(folder)
            if not paths:
                raise FileNotFoundError(f"{folder} holds no image.")
            found = check.images(
                folder,
                {"images": paths},
                check.digests(paths),
                pixels=(black, white),
                thorough=True,
            )
            check.left_out(found, folder, paths)
    except ValueError as error:
        found = check.Look([], refusals=[str(error)])
    found.print()
    for refusal in found.refusals:
        print(f"error: {refusal}")
    return found.refusals
