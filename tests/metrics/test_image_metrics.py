"""PSNR, SSIM, MS-SSIM, Frechet distance and mask AP against libraries that nobody here wrote."""

import contextlib
import io

import keras
import numpy as np
import pytest

from dnzoo import losses, metrics
from dnzoo.metrics import similarity
from tests.conftest import run_on, slow

GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 255, shape)
    return truth.astype("float32"), np.clip(truth + rng.normal(0, 25, shape), 0, 255).astype(
        "float32"
    )


@pytest.mark.parametrize("shape", [(3, 33, 40, 3), (2, 48, 20, 1)])
def test_psnr_and_ssim_equal_scikit_image(shape):
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    a, b = pair(shape)
    psnr, ssim = metrics.PSNR(), metrics.SSIM()
    for i in range(shape[0]):  # one image at a time: the metric streams
        psnr.update_state(a[i : i + 1], b[i : i + 1])
        ssim.update_state(a[i : i + 1], b[i : i + 1])
    expected = [peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(a, b)]
    assert np.isclose(float(psnr.result()), np.mean(expected), atol=1e-4)
    expected = [
        structural_similarity(x, y, data_range=255, channel_axis=-1, **GAUSSIAN)
        for x, y in zip(a, b)
    ]
    assert np.isclose(float(ssim.result()), np.mean(expected), atol=1e-5)


def test_luma_and_crop():
    """Y as scikit-image's YCbCr has it, the border left out."""
    from skimage.color import rgb2ycbcr
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    a, b = (x.round().astype("uint8") for x in pair((1, 40, 37, 3)))
    x, y = (rgb2ycbcr(image[0])[3:-3, 3:-3, 0] for image in (a, b))
    psnr, ssim = (metric(luma=True, crop=3) for metric in (metrics.PSNR, metrics.SSIM))
    psnr.update_state(a, b), ssim.update_state(a, b)
    expected = peak_signal_noise_ratio(x, y, data_range=255)
    assert np.isclose(float(psnr.result()), expected, atol=1e-4)
    expected = structural_similarity(x, y, data_range=255, **GAUSSIAN)
    assert np.isclose(float(ssim.result()), expected, atol=1e-5)
    assert np.allclose(similarity.luma(a), np.asarray(similarity.luma(keras.ops.array(a))))


@pytest.mark.parametrize("shape", [(2, 176, 180, 3), (1, 165, 201, 1)])
def test_ms_ssim_equals_tensorflow(shape):
    import tensorflow as tf

    a, b = pair(shape)
    expected = tf.image.ssim_multiscale(a, b, 255).numpy()
    assert np.allclose(similarity.ms_ssim(a, b), expected, atol=1e-5)
    metric = metrics.MultiScaleSSIM()
    metric.update_state(a, b)
    assert np.isclose(float(metric.result()), expected.mean(), atol=1e-5)
    loss = losses.StructuralSimilarity(multi_scale=True)
    assert np.isclose(float(loss(a, b)), 1 - expected.mean(), atol=1e-5)


def test_equal_images():
    a, _ = pair((1, 32, 32, 3))
    for metric, best in ((metrics.PSNR(), 100), (metrics.SSIM(), 1)):
        metric.update_state(a, a)
        assert np.isclose(float(metric.result()), best, atol=1e-5)


def test_config_and_errors():
    metric = metrics.SSIM(luma=True, crop=2, name="y")
    assert metrics.SSIM.from_config(metric.get_config()).get_config() == metric.get_config()
    with pytest.raises(ValueError, match="luma needs images from 0 to 255"):
        metrics.PSNR(max_value=1.0, luma=True)
    with pytest.raises(ValueError, match="both alike; got"):
        metrics.PSNR().update_state(np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 3)))
    with pytest.raises(ValueError, match="at least 11 rows"):
        metrics.SSIM().update_state(np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 1)))
    with pytest.raises(ValueError, match="at least 11 rows"):
        similarity.ms_ssim(np.zeros((1, 100, 100, 1)), np.zeros((1, 100, 100, 1)))


def test_in_fit():
    """As metrics of a model that is compiled."""
    image = keras.Input((16, 16, 1))
    model = keras.Model(image, keras.layers.Conv2D(1, 1)(image))
    model.compile("adam", "mse", metrics=[metrics.PSNR(1.0), metrics.SSIM(1.0)], jit_compile=False)
    x = np.random.default_rng(0).uniform(0, 1, (4, 16, 16, 1)).astype("float32")
    assert {"psnr", "ssim"} <= {*model.evaluate(x, x, verbose=0, return_dict=True)}


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on(backend):
    code = (
        "from tests.metrics import test_image_metrics as t; t.test_luma_and_crop(); t.test_in_fit(); "
        "t.test_psnr_and_ssim_equal_scikit_image((2, 30, 31, 3)); t.test_equal_images()"
    )
    run_on(backend, code)


def test_frechet_distance_equals_scipy():
    """tr sqrtm(A B), with matrices that are not diagonal, and that lack full rank."""
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    for rank in (6, 4):
        factors = rng.normal(size=(2, 6, rank))
        a, b = factors @ factors.transpose(0, 2, 1)
        means = rng.normal(size=(2, 6))
        root = sqrtm(a @ b).real
        expected = ((means[0] - means[1]) ** 2).sum() + np.trace(a + b - 2 * root)
        found = metrics.frechet_distance(means[0], a, means[1], b)
        assert np.isclose(found, expected, rtol=1e-5 if rank == 4 else 1e-9)
    with pytest.raises(ValueError, match="takes two means"):
        metrics.frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))


def test_frechet_distance_streams():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(1000, 1, (60, 5)), rng.normal(1001, 2, (50, 5))
    distance = metrics.FrechetDistance(lambda x: x)
    for part in np.split(real, 6):
        distance.update_state(part, real=True)
    distance.update_state(fake, real=False)
    moments = [m for x in (real, fake) for m in (x.mean(0), np.cov(x.T))]
    assert np.isclose(distance.result(), metrics.frechet_distance(*moments), rtol=1e-6)
    distance.reset_state()
    distance.update_state(real[:1], real=True)
    with pytest.raises(ValueError, match="1 real pictures; at least 2"):
        distance.result()
    with pytest.raises(ValueError, match=r"features must be \(N, d\)"):
        metrics.FrechetDistance(lambda x: x[..., None]).update_state(real, real=True)


@slow
def test_fid_of_random_weights():
    """The network, the range and the size are as documented; the weights can't be fetched here."""
    fid = metrics.FID(weights=None)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1)).astype("uint8")
    fid.update_state(pictures, real=True), fid.update_state(pictures[::-1], real=False)
    assert np.isclose(fid.result(), 0, atol=1e-6)
    net = fid.features.layers[-1]
    resized = keras.ops.image.resize(
        np.repeat(pictures, 3, -1).astype("float32"), (299, 299), "bilinear"
    )
    expected = net(keras.applications.inception_v3.preprocess_input(np.array(resized)))
    found = fid.features(np.repeat(pictures, 3, -1).astype("float32"), training=False)
    assert found.shape == (3, 2048)
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


def test_fid_without_a_network(monkeypatch):
    def fail(*args, **kwargs):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "InceptionV3", fail)
    with pytest.raises(OSError, match=r"could not be fetched.*pass weights=<file>"):
        metrics.FID()


def coco(truths, guesses, size):
    """pycocotools' AP, AP50 and AP75."""
    from pycocotools import mask as encoder
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def encode(mask):
        found = encoder.encode(np.asfortranarray(mask.astype("uint8")))
        return {"size": found["size"], "counts": found["counts"].decode()}

    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO()
        data.dataset = {
            "info": {},
            "images": [{"id": i, "height": size, "width": size} for i in {t[0] for t in truths}],
            "annotations": [
                {
                    "id": number,
                    "image_id": image,
                    "category_id": int(name),
                    "segmentation": encode(mask),
                    "area": float(mask.sum()),
                    "iscrowd": int(crowd),
                    "bbox": [0, 0, 1, 1],
                }
                for number, (image, name, mask, crowd) in enumerate(truths, start=1)
            ],
            "categories": [{"id": k} for k in range(3)],
        }
        data.createIndex()
        found = [
            {
                "image_id": image,
                "category_id": int(name),
                "segmentation": encode(mask),
                "score": float(score),
            }
            for image, name, mask, score in guesses
        ]
        evaluation = COCOeval(data, data.loadRes(found), "segm")
        evaluation.params.imgIds = sorted({t[0] for t in truths})
        evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    return evaluation.stats[:3]


@pytest.mark.parametrize("seed", range(6))
def test_mask_ap_equals_pycocotools(seed):
    """Random blobs: moved, missed, doubled, with equal scores and crowds."""
    from scipy import ndimage

    rng, size = np.random.default_rng(seed), 40
    metric, truths, guesses = metrics.MaskAP(), [], []

    def blobs(count):
        found = [
            ndimage.gaussian_filter(rng.normal(size=(size, size)), 4) > rng.uniform(0, 0.06)
            for _ in range(count)
        ]
        return np.array(found, bool).reshape(count, size, size)

    for image in range(1, 9):
        masks = blobs(rng.integers(1, 5))
        classes, crowd = rng.integers(0, 3, len(masks)), rng.random(len(masks)) < 0.2
        chosen = rng.integers(0, len(masks), rng.integers(0, 7))
        guess = np.array(
            [np.roll(masks[i], rng.integers(-3, 4, 2), (0, 1)) for i in chosen], bool
        ).reshape(len(chosen), size, size)
        names = np.where(rng.random(len(chosen)) < 0.8, classes[chosen], 0)
        scores = rng.integers(0, 12, len(chosen)) / 12
        metric.update_state(masks, classes, guess, names, scores, crowd)
        truths += zip([image] * len(masks), classes, masks, crowd)
        guesses += zip([image] * len(chosen), names, guess, scores)
    expected, found = coco(truths, guesses, size), metric.result()
    assert np.allclose([found["ap"], found["ap50"], found["ap75"]], expected, atol=1e-12)
    assert expected[0] > 0.02
    assert np.isclose(np.mean([*metric.class_ap().values()]), found["ap"])


def test_mask_ap_of_nothing():
    metric = metrics.MaskAP()
    assert np.isnan(metric.result()["ap"])
    none = np.zeros((0, 4, 4), bool)
    metric.update_state(none, [], none, [], [])
    assert np.isnan(metric.result()["ap"])
    with pytest.raises(ValueError, match="1 masks, 0 classes, 1 scores"):
        metric.update_state(none, [], np.ones((1, 4, 4)), [], [0.5])
    with pytest.raises(ValueError, match="2 true masks, 1 classes"):
        metric.update_state(np.ones((2, 4, 4)), [0], none, [], [])


@pytest.mark.parametrize("shape", [(2, 32, 32, 4), (2, 32, 32)])
def test_fid_says_which_pictures_it_takes(shape):
    with pytest.raises(ValueError, match=r"pictures must be \(N, H, W, 1 or 3\)"):
        metrics.FID(None).update_state(np.zeros(shape), True)
