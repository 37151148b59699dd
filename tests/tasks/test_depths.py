"""Images of 16 bits and of many bands: trained on, and predicted as in training."""

import numpy as np
import pytest
import tifffile
from PIL import Image

import dnzoo
from dnzoo import training
from dnzoo.inference import files, kinds
from tests.conftest import slow


def write(root, bands):
    """A brighter square, class 1, on dark noise."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    rng, labels = np.random.default_rng(0), np.zeros((32, 40), "uint8")
    labels[8:20, 8:20] = 1
    for i in range(6):
        values = rng.integers(100, 1500, (*labels.shape, bands)) + 2000 * labels[..., None].astype(
            int
        )
        values = values.astype("uint16")
        if bands == 1:
            Image.fromarray(values[..., 0]).save(root / f"images/{i}.png")
        else:
            how = {"photometric": "minisblack", "planarconfig": "contig"}
            tifffile.imwrite(root / f"images/{i}.tif", values, **how)
        Image.fromarray(labels).save(root / f"masks/{i}.png")
    return root


@slow
@pytest.mark.parametrize(("bands", "channels", "white"), [(1, 3, None), (13, 13, 4095.0)])
def test_prediction_reads_as_training_did(tmp_path, bands, channels, white):
    from recipes import unet

    root, out = write(tmp_path / "mine", bands), tmp_path / "out"
    shared = {"data": str(root), "data_dir": str(tmp_path / "data"), "image_size": 32}
    config = unet.Config(**shared, out=str(out), filters=(4, 8), epochs=1, smoke=True, white=white)
    task, build = training.setup(config, unet.build)
    training.run(config, task, build)
    model = dnzoo.load(out / "saved_model")
    assert model.input_shape[-1] == channels and kinds.of(model).pixels == task.data.pixels
    assert task.data.pixels[1] == white or 3000 < task.data.pixels[1] < 3500
    source = next((root / "images").iterdir())
    mask, _ = files.predict_files(model, source, tmp_path / "predicted")
    image = dnzoo.imaging.reading.read(source, channels, pixels=task.data.pixels)
    assert np.array_equal(Image.open(mask), dnzoo.predict(model, image).argmax(-1))
    assert "becomes 255" in (out / "report.html").read_text("utf-8")
    others = unet.Config(**shared, out=str(out), evaluate=str(out / "saved_model"), white=99.0)
    with pytest.raises(ValueError, match=r"was trained with other values: .*black=.* white="):
        training.run(others, *training.setup(others, unet.build))
