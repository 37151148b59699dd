"""The published nets for super-resolution beside bicubic and an outside net, on the same photographs.

Eleven photographs of scikit-image and scikit-learn that nothing here was trained on; PSNR and SSIM of
Y, `scale` rows cropped at each edge. The outside net is the RDN of npm's @upscalerjs/esrgan-slim
(MIT): `npm pack @upscalerjs/esrgan-slim`, unpacked. 5 minutes on 2 cores:
    python benchmarks/super_resolution.py --rdn package/models --out benchmarks/super_resolution.csv
"""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import table
import tyro

import dnzoo
from dnzoo import inference
from dnzoo.data.photographs import cut, test_photographs
from dnzoo.tasks.super_resolution import compare
from dnzoo.training.environment import environment

MODELS = {"espcn_x3": 3, "edsr_baseline_x2": 2, "edsr_baseline_x4": 4}


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    rdn: str
    """Folder with x2/, x3/, x4/ of @upscalerjs/esrgan-slim, each with a model.json."""


def rdn(folder):
    """The net of a TFJS "layers" model: plain convolutions, sums and concatenations."""
    described = json.loads(Path(folder, "model.json").read_text("utf-8"))
    tensors = {}
    for layer in described["modelTopology"]["model_config"]["config"]["layers"]:
        config = {
            k: v for k, v in layer["config"].items() if k not in ("batch_input_shape", "ragged")
        }
        if layer["class_name"] == "InputLayer":
            tensors[layer["name"]] = image = keras.Input((None, None, 3))
            continue
        given = [tensors[node[0]] for node in layer["inbound_nodes"][0]]
        kind = getattr(keras.layers, layer["class_name"])
        made = kind.from_config({**config, "dtype": "float32"})
        tensors[layer["name"]] = made(given if len(given) > 1 else given[0])
    net = keras.Model(image, tensors[layer["name"]])
    (group,) = described["weightsManifest"]
    data = b"".join(Path(folder, path).read_bytes() for path in group["paths"])
    values, place = np.frombuffer(data, "<f4"), 0
    weights = {}
    for weight in group["weights"]:
        size = int(np.prod(weight["shape"]))
        weights[weight["name"]] = values[place : place + size].reshape(weight["shape"])
        place += size
    for made in net.layers:
        if made.weights:
            made.set_weights([weights[f"{made.name}/kernel"], weights[f"{made.name}/bias"]])
    return net


def main(options):
    photographs, rows, made = test_photographs(), [], environment()
    for name, scale in MODELS.items():
        large = {key: cut(image, scale) for key, image in photographs.items()}
        ours = dnzoo.load(name)
        theirs = rdn(Path(options.rdn, f"x{scale}"))
        nets = {
            name: lambda small, net=ours: inference.upscale(net, small, mirror=False),
            "RDN, esrgan-slim": lambda small, net=theirs: inference.upscale(
                net, small, mirror=False
            ),
        }
        scores = {key: compare(net, large, scale) for key, net in nets.items()}
        bicubic = scores[name]
        found = {"bicubic": (bicubic["bicubic_psnr_y"], bicubic["bicubic_ssim_y"])}
        found |= {key: (s["psnr_y"], s["ssim_y"]) for key, s in scores.items()}
        counts = {name: ours.count_params(), "RDN, esrgan-slim": theirs.count_params()}
        for key, (psnr, ssim) in found.items():
            rows.append(
                {
                    "scale": scale,
                    "method": key,
                    "parameters": counts.get(key, 0),
                    "psnr_y": f"{psnr:.3f}",
                    "ssim_y": f"{ssim:.4f}",
                    "photographs": len(large),
                    **made,
                }
            )
            print(rows[-1])
        table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
