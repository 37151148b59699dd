"""Write into the cards of the published models what their runs can't know: licence, protocol, limits.

python saved_models/make_cards.py

The weights and the graph stay as the run left them. `make index` follows.
"""

from pathlib import Path

import dnzoo
from dnzoo import storage, saving
from dnzoo.data.garments import CLASS_NAMES
from dnzoo.saving import card
from dnzoo.storage import pretrained

HERE = Path(__file__).parent
FASHION = "Fashion-MNIST: MIT, Zalando SE"
CUTOUTS = (
    "cut-outs: Tux Paint's stamps, GPL-2; photographs: Debian's lomiri-wallpapers-16.04 (CC BY, "
    "CC BY-SA) and mate-backgrounds (GPL-2+, CC BY-SA); none of the images are shipped"
)
PHOTOGRAPHS = (
    "Debian's lomiri-wallpapers-16.04 (CC BY, CC BY-SA) and mate-backgrounds (GPL-2+, CC BY-SA); "
    "none of the images are shipped"
)
SCENES = "500 test scenes of 128 x 128, of cut-outs and backgrounds that were not trained on"
SUPER = (
    "eleven photographs of scikit-image and scikit-learn, none trained on; reduced with Pillow's "
    "bicubic; Y of BT.601, 8 bits, {scale} rows cropped at each edge"
)
FEW = (
    "198 cut-outs on 8 backgrounds, pasted at 30 to 75 % of 128 pixels: compact objects on plain "
    "grounds are found, a photograph filled by one thing is not; one seed"
)
SMALL_SET = "23 photographs of landscapes, plants and things, and a short training: no faces, text or noise; one seed"
CARDS = {
    "classifier_fashion_mnist": {
        "licence of the data": FASHION,
        "protocol": "10,000 test pictures, padded to 32 x 32",
        "limits": "made to judge generators of such pictures, by its features and classes; one seed",
    },
    "dcgan_fashion_mnist": {
        "licence of the data": FASHION,
        "protocol": (
            "10,000 generated pictures against the 10,000 test pictures, features of "
            "classifier_fashion_mnist: comparable with numbers of this judge only, it is no FID"
        ),
        "limits": "32 x 32, grey; no choice of class; one seed",
    },
    "edsr_baseline_x2": {
        "licence of the data": PHOTOGRAPHS,
        "protocol": SUPER.format(scale=2),
        "limits": SMALL_SET,
    },
    "edsr_baseline_x4": {
        "licence of the data": PHOTOGRAPHS,
        "protocol": SUPER.format(scale=4),
        "limits": SMALL_SET,
    },
    "espcn_x3": {
        "licence of the data": PHOTOGRAPHS,
        "protocol": SUPER.format(scale=3),
        "limits": f"reads Y alone, colour is enlarged bicubically; {SMALL_SET}",
    },
    "fsrcnn_x3": {
        "licence of the data": PHOTOGRAPHS,
        "protocol": SUPER.format(scale=3),
        "training time": "26 minutes at the 88 images/s of its last epochs; it was paused for other work",
        "limits": f"reads Y alone, colour is enlarged bicubically; {SMALL_SET}",
    },
    "fcn8s_cutouts": {
        "licence of the data": f"{CUTOUTS}; the encoder's ImageNet weights: Apache-2.0",
        "protocol": SCENES,
        "limits": f"{FEW}; fc6 is 1 x 1, as 128 pixels leave 4 x 4 features",
    },
    "mask_head_cutouts": {
        "licence of the data": f"{CUTOUTS}; the encoder's ImageNet weights: Apache-2.0",
        "protocol": (
            f"{SCENES}; true boxes with each side moved by up to 10 %, classes given; COCO's mask "
            "AP, a mask's score is the mean probability inside it"
        ),
        "limits": FEW,
    },
    "efficientnet_lite0_imagenet": {
        "licence of the data": "the authors' weights: Apache-2.0; ImageNet itself is not shipped",
        "protocol": "photographs of scikit-image and scikit-learn, and the authors' PyTorch network",
        "limits": "made to be an encoder; 224 x 224, 1,000 classes",
    },
    "unet_cutouts": {
        "licence of the data": f"{CUTOUTS}; the encoder's ImageNet weights: Apache-2.0",
        "protocol": SCENES,
        "limits": FEW,
    },
    "unet_fashion_scenes": {
        "licence of the data": FASHION,
        "protocol": "500 test scenes of 128 x 128, of garments that were not trained on",
        "limits": "composed scenes only; IoU from 0.71 for trousers to 0.10 for shirts; one seed",
    },
    "vae_mnist": {
        "licence of the data": "MNIST: its own terms are not stated",
        "protocol": (
            "10,000 test pictures, each pixel drawn once 0 or 1 with its grey value as the "
            "probability; nats a picture; the importance-weighted bound on the first 1,000"
        ),
        "limits": "28 x 28 digits; one seed",
    },
}
# of those whose run did not name them
CLASSES = {"classifier_fashion_mnist": list(CLASS_NAMES[1:])}


def main():
    for name, entries in CARDS.items():
        folder = HERE / name
        if not folder.is_dir():
            print(f"{name} is not here.")
            continue
        meta = pretrained.read_meta(folder)
        provenance = {k: v for k, v in meta["provenance"].items() if k not in entries}
        signatures = saving.signatures(dnzoo.load(folder))
        meta |= {
            "name": name,
            "provenance": {**provenance, **entries},
            "signatures": signatures,
            "class_names": CLASSES.get(name, meta["class_names"]),
        }
        storage.write_json(folder / pretrained.EXTRA, meta, overwrite=True)
        with storage.new_file((folder / pretrained.EXTRA).with_name("README.md"), overwrite=True) as partial:
            partial.write_text(card.markdown(meta), "utf-8")


if __name__ == "__main__":
    main()
