"""Write the README's images of the published models, a minute on 2 cores:
python docs/make_pictures.py

The photographs are scikit-image's (astronaut: NASA, public domain; cat, coffee, rocket: CC0), and
none of them was trained on. Digits and garments are generated, or reconstructed from test images
of Fashion-MNIST (MIT).
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import dnzoo
from dnzoo import inference, storage
from dnzoo.data.photographs import cut, resize, test_photographs
from dnzoo.imaging import drawing
from dnzoo.inference import kinds
from dnzoo.storage import pretrained

HERE = Path(__file__).parent / "images"
NAMES = ("chelsea", "coffee", "astronaut", "rocket")
SIZE = 160  # of the photographs given to models whose objects had 40 to 100 pixels
SHOWN = 320
# what a person might draw: left, top, right, bottom, as shares of the middle square
BOXES = {
    "chelsea": [(0.05, 0.0, 0.95, 1.0)],
    "coffee": [(0.17, 0.02, 0.78, 0.7)],
    "astronaut": [(0.03, 0.0, 0.75, 1.0), (0.53, 0.66, 1.0, 1.0), (0.69, 0.0, 0.9, 0.57)],
    "rocket": [(0.38, 0.08, 0.62, 0.95)],
}
SCALES = {"edsr_baseline_x2": 2, "espcn_x3": 3, "edsr_baseline_x4": 4}
DETAIL = 108  # rows of a detail; 2, 3 and 4 divide it
PLACES = {"chelsea": (40, 110), "astronaut": (60, 170), "coffee": (60, 250)}  # their upper left


def squares():
    """{name: the middle square of a photograph, shrunk}."""
    found = {}
    for name in NAMES:
        image = Image.fromarray(test_photographs()[name])
        side = min(image.size)
        left, top = ((length - side) // 2 for length in image.size)
        image = image.crop((left, top, left + side, top + side))
        found[name] = np.array(image.resize((SIZE, SIZE), Image.LANCZOS))
    return found


def shown(image):
    """As large as the README shows it."""
    return image.repeat(SHOWN // len(image), 0).repeat(SHOWN // len(image), 1)


def legend(picture, names, palette, seen):
    """An image with a legend below of the classes that are seen."""
    whole = Image.new("RGB", (picture.width, picture.height + 28), "white")
    whole.paste(picture, (0, 0))
    draw, x = ImageDraw.Draw(whole), 8
    for i in sorted(seen):
        draw.rectangle((x, picture.height + 7, x + 14, picture.height + 21), fill=tuple(palette[i]))
        draw.text((x + 20, picture.height + 8), names[i], fill="black")
        x += 40 + 7 * len(names[i])
    return whole


def segmented():
    """Photographs, and the classes that U-Net and FCN-8s give them."""
    columns, seen = len(squares()), set()
    tiles = [shown(image) for image in squares().values()]
    for name in ("unet_cutouts", "fcn8s_cutouts"):
        model, meta = dnzoo.load(name), pretrained.read_meta(pretrained.find(name))
        palette = [tuple(colour) for colour in meta["palette"]]
        assert kinds.of(model).logits
        for image in squares().values():
            mask = inference.classes(dnzoo.predict(model, image))
            share = np.bincount(mask.ravel(), minlength=len(palette)) / mask.size
            seen |= {i for i in range(1, len(palette)) if share[i] > 0.01}
            tiles.append(shown(np.array(drawing.overlay(image, mask, np.array(palette)))))
    return legend(drawing.grid(tiles, columns, edge=0), meta["class_names"], palette, seen)


def masked():
    """The same photographs with boxes that a person drew, and the masks in them."""
    model, tiles = dnzoo.load("mask_head_cutouts"), []
    for name, image in squares().items():
        boxes = np.array(BOXES[name], "float32") * SIZE
        masks, _ = inference.predict_masks(model, image, boxes)
        colours = [(70, 130, 255)] * len(masks)
        tiles.append(shown(drawing.outline(drawing.tint(image, masks, colours), boxes)))
    return drawing.grid(tiles, len(tiles), edge=0)


def enlarged():
    """Details of photographs: the small image, bicubic, the model, the ground truth; one row per model."""
    tiles = []
    for name, scale in SCALES.items():
        model = dnzoo.load(name)
        for photograph, (top, left) in PLACES.items():
            large = cut(test_photographs()[photograph], scale)
            small = resize(large, 1 / scale)
            nearest = small.repeat(scale, 0).repeat(scale, 1)
            pictures = nearest, resize(small, scale), inference.upscale(model, small), large
            tiles += [p[top : top + DETAIL, left : left + DETAIL] for p in pictures]
    return drawing.grid(tiles, columns=4 * len(PLACES))


def generated():
    """Digits of the VAE, two ways between some, and garments of the DCGAN: nobody wrote or sewed them."""
    vae, gan = dnzoo.load("vae_mnist"), dnzoo.load("dcgan_fashion_mnist")
    ends = np.random.default_rng(2).normal(size=(2, 2, 1, vae.latent_dim))
    share = np.linspace(0, 1, 16)[:, None]
    ways = vae.decode(((1 - share) * ends[0] + share * ends[1]).reshape(-1, vae.latent_dim))
    digits = np.concatenate([vae.sample(64, seed=0), ways])
    digits = np.pad(digits, ((0, 0), (2, 2), (2, 2), (0, 0)))
    garments = gan.generate(80, seed=0)
    sheets = [np.array(drawing.sheet(pictures, 16, 2)) for pictures in (digits, garments)]
    return Image.fromarray(np.concatenate(sheets))


PICTURES = {
    "photographs.png": segmented,
    "masks.png": masked,
    "super_resolution.png": enlarged,
    "generated.png": generated,
}


def main():
    for name, make in PICTURES.items():
        picture = make()
        with storage.new_file(HERE / name, overwrite=True) as partial:
            picture.save(partial, optimize=True)
        print(HERE / name)


if __name__ == "__main__":
    main()
