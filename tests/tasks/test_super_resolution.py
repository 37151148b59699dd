"""Super-resolution, with its recipe; Y alone, with bicubic colour."""

import keras
import numpy as np
import pytest
from PIL import Image

import dnzoo
from dnzoo.data import photographs
from dnzoo.inference import files
from dnzoo.tasks import SuperResolution
from tests.task_conformance import TaskConformance


class TestSuperResolution(TaskConformance):
    task, recipe, data = SuperResolution, "super_resolution", "photos"
    settings = {"filters": 4, "blocks": 1, "patch": 16}
    metrics = {"psnr_y", "ssim_y", "bicubic_psnr_y", "bicubic_ssim_y", "scale", "psnr_y_each"}
    written = ("a_x2.png",)

    def check_written(self, pixels):
        assert pixels.shape == (80, 100, 3)

    def test_predict_bad_input(self, trained, tmp_path):
        model = dnzoo.load(trained.model)
        with pytest.raises(ValueError, match="needs an image, or a folder of them"):
            files.predict_files(model, None, tmp_path)
        Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
        with pytest.raises(ValueError, match="`boxes` are for models that mask objects"):
            files.predict_files(model, tmp_path / "a.png", tmp_path, boxes=(0, 0, 1, 1))

    def test_the_scale_is_the_models(self, trained):
        from recipes import finetune

        config = finetune.config_of(trained.model)(scale=3)
        with pytest.raises(ValueError, match="scale=3: the model has 2"):
            SuperResolution.from_config(config)


def test_patches_must_fit_the_tiles(places):
    config = SuperResolution.Config(
        data=places["photos"], data_dir=places["prepared"], out="", patch=200
    )
    with pytest.raises(ValueError, match="patch=200: it must be from 1 to 96"):
        SuperResolution.from_config(config)


def test_y_alone_is_upsampled_with_bicubic_colour(monkeypatch):
    """A net that hands Y on bicubically gives Pillow's bicubic image, to rounding."""
    image = np.random.default_rng(0).integers(60, 200, (12, 14, 3)).astype("uint8")

    given = keras.Input((None, None, 1))
    model = keras.Model(given, keras.layers.UpSampling2D()(given))
    bicubic = dnzoo.metrics.similarity.luma(photographs.resize(image, 2))[None]
    monkeypatch.setattr(model, "predict_on_batch", lambda batch: bicubic)
    found = dnzoo.inference.upscale(model, image, mirror=False)
    assert np.abs(found.astype(int) - photographs.resize(image, 2)).max() <= 1
    with pytest.raises(ValueError, match="upscale takes a model that enlarges"):
        dnzoo.inference.upscale(model, image.tolist())
