"""Targets under views, held to scenes that are rendered anew from where the view stands."""

import numpy as np
import pytest

from dnzoo.data import targets
from dnzoo.data.augmentation import Augmentation
from dnzoo.data.base import Data
from dnzoo.data.views import Axis, View

HEIGHT, WIDTH, FOCAL = 48, 66, 60.0
PLANE, DISTANCE = np.array([0.3, -0.2, -0.9]), -4.0  # the points p with PLANE @ p = DISTANCE
MOTION, SHIFT = np.array([[1.04, 0.06], [-0.03, 0.97]]), np.array([1.5, -2.0])


def centres(height, width):
    """(height, width, 2): x and y of each pixel's centre, from the image's middle."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x - width / 2, y - height / 2], axis=-1)


def render(at, linear, zoom=1.0):
    """Depth, normals and flow of a plane, where a pixel shows what lay at `at` and arrows turn by `linear`.

    Args:
        at: (h, w, 2), the place in the first image of what each pixel shows.
        linear: (2, 2), what an arrow of the first image is here, in pixels.
        zoom: how much nearer the camera seems.
    """
    rays = np.concatenate([at / FOCAL, np.ones((*at.shape[:2], 1))], axis=-1)
    depth = DISTANCE / (rays @ PLANE) / zoom
    # the points that the camera now sees, and what is at right angles to two ways along the surface
    here = at @ (zoom * linear / np.sqrt(abs(np.linalg.det(linear)))).T
    points = np.concatenate([here / FOCAL, np.ones((*at.shape[:2], 1))], -1) * depth[..., None]
    normals = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    normals *= -np.sign(normals[..., 2:])  # towards the camera
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    flow = (at @ MOTION.T + SHIFT - at) @ linear.T
    return {"depth": depth, "normals": normals, "flow": flow}


KINDS = {"depth": targets.Depth(), "normals": targets.Normals(), "flow": targets.Flow()}
WHOLE = render(centres(HEIGHT, WIDTH), np.eye(2))
TURN = np.array([[0, 1], [-1, 0]])  # a quarter, counterclockwise, with y down


def flipped(axis):
    at, sign = centres(HEIGHT, WIDTH), np.ones(2)
    sign[1 - axis] = -1
    return View.flip(HEIGHT, WIDTH, axis), render(at * sign, np.diag(sign))


def turned(turns):
    height, width = (HEIGHT, WIDTH) if turns % 2 == 0 else (WIDTH, HEIGHT)
    quarter = np.linalg.matrix_power(TURN, turns % 4)
    return View.turn(HEIGHT, WIDTH, turns), render(centres(height, width) @ quarter, quarter)


def cropped():
    top, left, height, width = 5, 9, 30, 40
    at = centres(HEIGHT, WIDTH)[top : top + height, left : left + width]
    return View.crop(top, left, height, width), render(at, np.eye(2))


def resized(factor):
    new = round(HEIGHT * factor), round(WIDTH * factor)
    return View.resize((HEIGHT, WIDTH), new), render(centres(*new) / factor, factor * np.eye(2))


def zoomed(zoom):
    """The middle of the image, enlarged to its size."""
    axes = (Axis(n, zoom, (n - n / zoom) / 2) for n in (HEIGHT, WIDTH))
    made = render(centres(HEIGHT, WIDTH) / zoom, zoom * np.eye(2), zoom)
    return View(*axes, nearer=True), made


CASES = {
    "left to right": lambda: flipped(1),
    "upside down": lambda: flipped(0),
    **{f"turned {n}": lambda n=n: turned(n) for n in (1, 2, 3)},
    "cropped": cropped,
    "twice the size": lambda: resized(2),
    "a third of the size": lambda: resized(1 / 3),
    "from nearer by": lambda: zoomed(1.6),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_view_equals_a_rendering_from_there(case, kind):
    view, expected = CASES[case]()
    found = KINDS[kind].seen(WHOLE[kind].astype("float32"), view)
    assert found.shape == expected[kind].shape and found.dtype == "float32"
    # the nearest pixel is half a pixel off at most, where sizes change
    steps = [np.abs(np.diff(WHOLE[kind], axis=axis)).max() for axis in (0, 1)]
    scale = np.abs(expected[kind]).max() / np.abs(WHOLE[kind]).max()
    exact = view.rows.zoom == 1
    assert np.abs(found - expected[kind]).max() <= (1e-5 if exact else 1e-5 + scale * sum(steps))
    assert np.abs((found - expected[kind]).mean()) < 1e-3 * np.abs(expected[kind]).max()


@pytest.mark.parametrize("case", CASES)
def test_boxes_go_with_the_mask(case):
    """A box around an object is the box around what the view makes of its mask."""
    mask = np.zeros((HEIGHT, WIDTH), "uint8")
    mask[21:33, 24:39] = 1  # inside every view
    view, _ = CASES[case]()
    moved = targets.InstanceMask().seen(mask, view)
    rows, columns = np.nonzero(moved)
    tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    box = targets.Boxes().seen(np.array([[24, 21, 39, 33], [-9, -9, 99, 99]], "float32"), view)
    assert np.abs(box[0] - tight).max() <= (0.8 if view.nearer else 1e-4)
    assert np.array_equal(box[1], [0, 0, moved.shape[1], moved.shape[0]])  # cut off at the edges


def test_images_are_interpolated_and_masks_are_not():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 40, 3), "uint8")
    mask = rng.integers(0, 3, (20, 40), "uint8")
    view = View(Axis(20, 1.3, 2.0), Axis(40, 1.3, 4.0, True), nearer=True)
    assert set(np.unique(targets.ClassMask().seen(mask, view))) <= {0, 1, 2}
    assert targets.Image().seen(image, view).dtype == "float32"
    for view in (View.flip(20, 40), View.turn(20, 40, 1)):
        moves = (lambda a: a[:, ::-1]) if view.columns.mirrored else np.rot90
        assert np.array_equal(targets.Image().seen(image, view), moves(image))
    square = targets.Image().fitted(image, 30)
    assert square.shape == (30, 30, 3) and square.dtype == "uint8" and not square[15:].any()
    square = targets.ClassMask().fitted(mask, 80)
    assert np.array_equal(square[:40:2, ::2], mask) and (square[40:] == 255).all()
    assert targets.Labels().seen(np.array([3, 4]), view).tolist() == [3, 4]


def test_a_camera_zooms_both_ways_alike():
    view = View(Axis(8, 2.0), Axis(8, 1.5), nearer=True)
    with pytest.raises(ValueError, match=r"zoomed by 2.0, columns by 1.5"):
        targets.Depth().seen(np.ones((8, 8), "float32"), view)


def test_a_new_kind_needs_no_change_of_the_augmentation():
    """Depth and flow go through it beside the image, each in its own way."""
    depth = np.arange(1, 257, dtype="float32").reshape(1, 16, 16).repeat(6, 0)
    flow = np.broadcast_to(np.array([2, 1], "float32"), (6, 16, 16, 2))
    images = np.zeros((6, 16, 16, 3), "uint8")
    kinds = (targets.Image(), targets.Depth(), targets.Flow())
    _, near, moved = Augmentation(kinds)(images, depth, flow, np.random.default_rng(1))
    zooms = moved[:, 0, 0, 1]
    assert (zooms >= 1).all() and (zooms <= 1.5).all() and len(np.unique(zooms)) == 6
    assert np.allclose(np.abs(moved[..., 0]), 2 * zooms[:, None, None])
    assert {*np.sign(moved[:, 0, 0, 0])} == {-1, 1}  # some were mirrored
    far = near * zooms[:, None, None]
    assert np.abs(far - far.round()).max() < 1e-4 and len(np.unique(near)) > 256


def test_arrays_must_be_as_many_as_targets():
    with pytest.raises(ValueError, match="the train split has 1 arrays, Data needs 0"):
        Data("mine", "", {"train": (np.zeros(3),)})
