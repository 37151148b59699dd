"""Images for a person: grids and sheets of small ones, masks in colour, boxes."""

import colorsys
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def palette(count: int) -> list[tuple[int, int, int]]:
    """`count` colours that are far apart: black, then evenly spaced hues, by turns light and dark.

    Each is (red, green, blue), 0 to 255.
    """
    colours: list[tuple[int, int, int]] = [(0, 0, 0)]
    for i in range(count - 1):
        lightness, saturation = (0.45, 0.9) if i % 2 else (0.68, 0.85)
        rgb = colorsys.hls_to_rgb(i / max(count - 1, 1), lightness, saturation)
        colours.append(tuple(round(255 * value) for value in rgb))
    return colours[:count]


def grid(
    tiles: Sequence[np.ndarray] | np.ndarray, columns: int, edge: int = 2, background: int = 255
) -> Any:
    """Images of one size, (H, W, 3) uint8, row by row, as a Pillow image.

    Args:
        columns: how many stand side by side.
        edge: pixels around each.
        background: 0 to 255, of the edges, and of what the last row lacks.
    """
    from PIL import Image

    widths = ((0, -len(tiles) % columns), (edge, edge), (edge, edge), (0, 0))
    edged = np.pad(np.stack(tiles), widths, constant_values=background)
    rows = [np.concatenate(edged[i : i + columns], 1) for i in range(0, len(edged), columns)]
    return Image.fromarray(np.concatenate(rows))


def sheet(pictures: np.ndarray, columns: int = 16, enlarge: int | None = None) -> Any:
    """Images from 0 to 255, (N, H, W, bands), row by row with a thin edge, as a Pillow image.

    Args:
        columns: how many stand side by side.
        enlarge: each pixel becomes so many; None: 2 for images of less than 40 rows.
    """
    pictures = np.asarray(pictures, "float32").round().clip(0, 255).astype("uint8")
    pictures = visible(pictures)
    factor = enlarge or (2 if pictures.shape[1] < 40 else 1)
    return grid(pictures.repeat(factor, 1).repeat(factor, 2), columns, edge=1, background=0)


def paletted(mask: np.ndarray, palette: np.ndarray) -> Any:
    """Class numbers, (H, W) uint8, as a Pillow palette image."""
    from PIL import Image

    picture = Image.fromarray(mask, mode="P")
    picture.putpalette(palette.ravel().tolist())
    return picture


def visible(images: np.ndarray) -> np.ndarray:
    """Images of any bands, (..., bands), as (..., 3): the first three, or the first three times."""
    first = images[..., : 3 if images.shape[-1] >= 3 else 1]
    return np.broadcast_to(first, (*images.shape[:-1], 3))


def overlay(image: np.ndarray, mask: np.ndarray, palette: Any) -> Any:
    """The image with every class but 0 tinted in its colour."""
    from PIL import Image

    rgb = visible(image)
    present = [number for number in np.unique(mask) if number]
    masks = [mask == number for number in present]
    return Image.fromarray(tint(rgb, masks, [palette[number] for number in present]))


def tint(image: np.ndarray, masks: Iterable[np.ndarray], colours: Iterable[Any]) -> np.ndarray:
    """An image, (H, W, 3) from 0 to 255, with each mask, (H, W), in a colour: uint8."""
    tinted = np.array(image, "float32")
    for mask, colour in zip(masks, colours):
        tinted[mask] = 0.45 * tinted[mask] + 0.55 * np.asarray(colour, "float32")
    return tinted.round().astype("uint8")


def outline(image: np.ndarray, boxes: Any) -> np.ndarray:
    """A uint8 image with boxes, (left, top, right, bottom) in pixels, drawn in white."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(image)
    for left, top, right, bottom in np.asarray(boxes).round().astype(int).tolist():
        ImageDraw.Draw(picture).rectangle(
            [left, top, max(right - 1, left), max(bottom - 1, top)], outline="white"
        )
    return np.array(picture)


def legend(picture: Any, entries: Sequence[tuple[str, Any]]) -> Any:
    """A Pillow image with a white strip below it that says what colours mean; nothing on the image itself.

    The strip has as many lines as the words need; a small image gets a wider one.

    Args:
        picture: a Pillow image.
        entries: (words, colour) of each; without any, the strip says that nothing was found.
    """
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    size = max(12, min(picture.size) // 30)
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
    entries = entries or [("nothing found", None)]
    widths = [
        math.ceil(font.getlength(words)) + (colour is not None) * 2 * size
        for words, colour in entries
    ]
    width, line = max(picture.width, max(widths) + 2 * size), size * 3 // 2
    places, left, top = [], size, 0
    for needed in widths:
        if left > size and left + needed > width:
            left, top = size, top + line
        places.append((left, top))
        left += needed + size
    made = Image.new("RGB", (width, picture.height + top + line + size // 2), "white")
    made.paste(picture)
    draw = ImageDraw.Draw(made)
    for (words, colour), (left, top) in zip(entries, places):
        top += picture.height + size // 2
        if colour is not None:
            square = [left, top, left + size, top + size]
            draw.rectangle(square, tuple(int(value) for value in colour), "black")
            left += size * 3 // 2
        draw.text((left, top + size / 2), words, "black", font, anchor="lm")
    return made
