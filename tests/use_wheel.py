"""What a new user does with the installed wheel; run by package.sh, far from the checkout."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def from_the_shell(folder, image):
    """List, train, predict and look at the run, by the command `dnzoo` of the wheel."""
    from PIL import Image

    Image.fromarray(image.astype("uint8")).save(folder / "a.png")
    # nobody asks for a name of TensorFlow Datasets: importing it would fail
    (folder / "none").mkdir()
    (folder / "none/tensorflow_datasets.py").write_text("raise RuntimeError('it is imported')\n")
    environment = {**os.environ, "PYTHONPATH": str(folder / "none")}
    small = "--smoke --epochs 1 --image-size 32 --scenes 40 --filters 4 8"
    dnzoo = Path(sys.executable).with_name("dnzoo")
    for command, expected in {
        "list unet*": "unet_cutouts",
        f"train unet {small} --data-dir {folder}/data --out {folder}/out": "SavedModel:",
        f"predict {folder}/out {folder}/a.png --out {folder}/predicted": "a_mask.png",
        f"predict espcn_x3 {folder}/a.png --out {folder}/predicted": "a_x3.png",  # of the wheel's own
        f"compare {folder}/out": "finished",
        f"info {folder}/out": f"dnzoo train unet {small}",
    }.items():
        command = [dnzoo, *command.split()]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0 and expected in done.stdout, done.stdout + done.stderr
    assert (folder / "predicted/a_mask.png").is_file()
    export = [dnzoo, "export", folder / "out", folder / "a.onnx"]
    done = subprocess.run(export, capture_output=True, text=True)
    extra = importlib.util.find_spec("onnxruntime")
    assert (folder / "a.onnx").is_file() if extra else 'pip install "dnzoo[export]"' in done.stderr


def main(expected):
    """Build, count, train, save and load; `expected` is the Keras version, or empty."""
    import dnzoo

    assert "site-packages" in dnzoo.__file__, dnzoo.__file__
    assert "keras" not in sys.modules

    import keras
    import numpy as np

    from dnzoo import losses, unet
    from dnzoo.data import garments

    assert not expected or keras.__version__ == expected, keras.__version__
    assert unet((572, 572, 1), padding="valid", normalization=None).count_params() == 31_030_658

    some = [garments.compose(0, "train", i, size=32) for i in range(4)]
    images = np.stack([scene["image"] for scene in some]).astype("float32")
    masks = np.stack([scene["segmentation_mask"] for scene in some])
    model = unet((None, None, 3), classes=11, filters=(4, 8, 16), include_preprocessing=True)
    model.compile("adam", losses.get("cross_entropy+dice"), jit_compile=False)
    model.fit(images, masks, epochs=2, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        dnzoo.save(model, Path(folder, "model"), class_names=garments.CLASS_NAMES)
        loaded = dnzoo.load(Path(folder, "model"))
        from_the_shell(Path(folder), images[0])
    assert dnzoo.predict(loaded, images[0]).shape == (32, 32, 11)
    same = np.array_equal(model.predict_on_batch(images), loaded.predict_on_batch(images))
    assert same, "the loaded model computes something else"
    print(f"The wheel works with Keras {keras.__version__}.")


if __name__ == "__main__":
    main(sys.argv[1])
