"""What a model trained on pasted cut-outs says of real photographs: a picture for the README.

The photographs are scikit-image's (astronaut: NASA, public domain; cat, coffee, rocket: CC0), shown
with the model's classes laid over them. Needs `pip install scikit-image`:
    python benchmarks/photographs.py --out docs/images/photographs.png
"""

import dataclasses

import numpy as np
import tyro
from PIL import Image, ImageDraw

import dnzoo
from dnzoo import files, pretrained

NAMES = ("chelsea", "coffee", "astronaut", "rocket")


@dataclasses.dataclass
class Options:
    out: str
    """The picture to write."""
    model: str = "unet_cutouts"
    size: int = 160
    """Shorter side given to the model; objects in its training had 40 to 100 pixels."""


def prepared(photograph, size):
    """The middle square, shrunk."""
    image = Image.fromarray(photograph)
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    return image.crop((left, top, left + side, top + side)).resize((size, size), Image.LANCZOS)


def main(options):
    from skimage import data

    model = dnzoo.load(options.model)
    meta = pretrained.read_meta(pretrained.find(options.model))
    palette = np.array(meta["palette"], "uint8")
    scale = 320 // options.size
    tiles, seen = [], set()
    for name in NAMES:
        image = prepared(getattr(data, name)(), options.size)
        classes = dnzoo.predict(model, np.array(image)).argmax(-1)
        share = np.bincount(classes.ravel(), minlength=len(palette)) / classes.size
        seen |= {i for i in range(1, len(palette)) if share[i] > 0.01}
        print(
            name, {meta["class_names"][i]: f"{share[i]:.2f}" for i in np.flatnonzero(share > 0.01)}
        )
        pixels = np.array(image, "float32")
        over = np.where(classes[..., None] > 0, 0.4 * pixels + 0.6 * palette[classes], pixels)
        pair = np.concatenate([pixels, over]).astype("uint8")
        tiles.append(pair.repeat(scale, 0).repeat(scale, 1))
    picture = Image.fromarray(np.concatenate(tiles, axis=1))
    legend = Image.new("RGB", (picture.width, 28), "white")
    draw, x = ImageDraw.Draw(legend), 8
    for i in sorted(seen):
        draw.rectangle((x, 7, x + 14, 21), fill=tuple(palette[i].tolist()))
        draw.text((x + 20, 8), meta["class_names"][i], fill="black")
        x += 40 + 7 * len(meta["class_names"][i])
    whole = Image.new("RGB", (picture.width, picture.height + 28), "white")
    whole.paste(picture, (0, 0))
    whole.paste(legend, (0, picture.height))
    with files.new_file(options.out) as partial:
        whole.save(partial)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
