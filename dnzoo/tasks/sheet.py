"""Many small pictures on one sheet."""

import numpy as np


def sheet(pictures, columns=16, enlarge=None):
    """Pictures from 0 to 255, (N, H, W, 1 or 3), row by row with a thin edge, as a Pillow image.

    Args:
        columns: how many stand side by side.
        enlarge: each pixel becomes so many; None: 2 for pictures below 40 rows.
    """
    from PIL import Image

    pictures = np.asarray(pictures, "float32").round().clip(0, 255).astype("uint8")
    pictures = np.broadcast_to(pictures, (*pictures.shape[:-1], 3))
    factor = enlarge or (2 if pictures.shape[1] < 40 else 1)
    pictures = pictures.repeat(factor, 1).repeat(factor, 2)
    edged = np.pad(pictures, ((0, -len(pictures) % columns), (1, 1), (1, 1), (0, 0)))
    rows = [np.concatenate(edged[i : i + columns], 1) for i in range(0, len(edged), columns)]
    return Image.fromarray(np.concatenate(rows))
