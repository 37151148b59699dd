"""JPEG and PNG files read inside a TensorFlow graph, pixel for pixel as `reading.read` reads them.

For servers that are handed the bytes of a file. `tf.io.decode_image` alone gives other pixels: it
approximates the transform of JPEG, turns nothing by EXIF, drops transparency, and
takes the high byte of 16-bit grey.
"""

from typing import Any

from dnzoo.imaging.reading import Pixels

# of JPEG: segments; of PNG: chunks, and where the header has depth and colour
APP1, SCAN, EXIF = 0xE1, 0xDA, 0x45786966
DATA, PNG_EXIF, PNG = 0x49444154, 0x65584966, 0x504E47
DEPTH, COLOUR, GREY, RGB = 24, 25, 0, 2
ORIENTATION, ENTRY = 0x0112, 12  # the tag, and bytes of a tag in EXIF


def decoded(files: Any, channels: int, pixels: Pixels | None = None) -> Any:
    """Images of one size, (N, H, W, channels) uint8, upright, transparency laid on white.

    EXIF is looked for before the pixels, where cameras and Pillow write it.

    Args:
        files: a string tensor (N,), the bytes of JPEG or PNG files.
        channels: 1 (grey) or 3 (RGB).
        pixels: as of `reading.read`; files of 16 bits that it would scale by them are refused.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, for what is neither JPEG nor PNG, damaged,
            or of 16 bits and refused; for images of several sizes, and for none.
    """
    import tensorflow as tf

    return tf.map_fn(
        lambda file: _image(file, channels, pixels),
        files,
        fn_output_signature=tf.TensorSpec((None, None, channels), "uint8"),
    )


def _image(file: Any, channels: int, pixels: Pixels | None) -> Any:
    import tensorflow as tf

    data = tf.io.decode_raw(file, "uint8")
    png = tf.equal(_number(data, 1, 3), PNG)
    known = tf.debugging.Assert(
        png | tf.io.is_jpeg(file), ["image_bytes: an image must be a JPEG or PNG file."]
    )
    with tf.control_dependencies([known]):
        image, start = tf.cond(
            png,
            lambda: (_png(file, data, pixels), _exif_of_png(data)),
            lambda: (
                tf.io.decode_jpeg(file, 3, dct_method="INTEGER_ACCURATE"),  # as Pillow does
                _exif_of_jpeg(data),
            ),
        )
    image = image if channels == 3 else _grey(image)
    return _upright(image, tf.cond(start > 0, lambda: _orientation(data, start), lambda: 1))


def _png(file: Any, data: Any, pixels: Pixels | None) -> Any:
    """(H, W, 3) uint8; of 16 bits the high byte, as Pillow has it."""
    import tensorflow as tf

    depth, colour = _number(data, DEPTH, 1), _number(data, COLOUR, 1)
    scaled = tf.equal(colour, GREY) | (tf.equal(colour, RGB) & (pixels is not None))
    refused = tf.debugging.Assert(
        ~(scaled & tf.equal(depth, 16)),
        ["image_bytes: this PNG has 16 bits, which are not scaled here: send one of 8 bits."],
    )
    with tf.control_dependencies([refused]):
        image = tf.cast(tf.io.decode_png(file, 4), "int32")
    few = tf.equal(colour, GREY) & (depth < 8)
    largest = tf.bitwise.left_shift(1, tf.minimum(depth, 8)) - 1
    alpha, image = image[..., 3:], image[..., :3]
    # opaque is the largest number of the depth where TensorFlow has made it up
    alpha = tf.where(few & tf.equal(alpha, largest), 255, alpha)
    blended = image * alpha + 255 * (255 - alpha)
    return tf.cast((blended + 127) // 255, "uint8")


def _grey(image: Any) -> Any:
    """Pillow's L of RGB, to the bit."""
    import tensorflow as tf

    weighted = tf.cast(image, "int32") * [19595, 38470, 7471]
    total = tf.reduce_sum(weighted, axis=-1, keepdims=True) + 0x8000
    return tf.cast(tf.bitwise.right_shift(total, 16), "uint8")


def _number(data: Any, start: Any, count: int, little: Any = False) -> Any:
    """The int32 of `count` bytes; 0 for those behind the end."""
    import tensorflow as tf

    there = tf.cast(data[start : start + count], "int32")
    there = tf.concat([there, tf.zeros([count], "int32")], 0)[:count]
    there = tf.where(little, there[::-1], there)
    return tf.reduce_sum(tf.bitwise.left_shift(there, [8 * i for i in reversed(range(count))]))


def _length(data: Any, start: Any, little: Any = False) -> Any:
    """A number of four bytes, at most as large as the file: a damaged one leads behind its end."""
    import tensorflow as tf

    found = tf.bitwise.bitwise_and(_number(data, start, 4, little), 0x7FFFFFFF)
    return tf.minimum(found, tf.size(data))


def _exif_of_jpeg(data: Any) -> Any:
    """Where EXIF begins; 0: there is none."""
    import tensorflow as tf

    def found(place: Any) -> Any:
        return tf.equal(_number(data, place + 1, 1), APP1) & tf.equal(
            _number(data, place + 4, 4), EXIF
        )

    def goes_on(place: Any) -> Any:
        marker = tf.equal(_number(data, place, 1), 0xFF)
        return marker & ~tf.equal(_number(data, place + 1, 1), SCAN) & ~found(place)

    (place,) = tf.while_loop(goes_on, lambda at: [at + 2 + _number(data, at + 2, 2)], [2])
    return tf.where(found(place), place + 10, 0)


def _exif_of_png(data: Any) -> Any:
    import tensorflow as tf

    def goes_on(place: Any) -> Any:
        kind = _number(data, place + 4, 4)
        return (kind > 0) & ~tf.equal(kind, DATA) & ~tf.equal(kind, PNG_EXIF)

    step = tf.while_loop(goes_on, lambda at: [at + 12 + _length(data, at)], [8])
    return tf.where(tf.equal(_number(data, step[0] + 4, 4), PNG_EXIF), step[0] + 8, 0)


def _orientation(data: Any, start: Any) -> Any:
    """1 to 8, of the first directory of tags of the EXIF at `start`."""
    import tensorflow as tf

    little = tf.equal(_number(data, start, 2), 0x4949)
    first = start + _length(data, start + 4, little)
    count = _number(data, first, 2, little)
    tags = tf.cast(data[first + 2 : first + 2 + ENTRY * count], "int32")
    tags = tf.reshape(tags[: tf.size(tags) // ENTRY * ENTRY], [-1, ENTRY])
    tags = tf.where(
        little, tf.gather(tags, [1, 0, 9, 8], axis=1), tf.gather(tags, [0, 1, 8, 9], axis=1)
    )
    names, values = 256 * tags[:, 0] + tags[:, 1], 256 * tags[:, 2] + tags[:, 3]
    value = tf.reduce_max(tf.concat([[1], tf.where(tf.equal(names, ORIENTATION), values, 1)], 0))
    return tf.where(value <= 8, value, 1)


def _upright(image: Any, orientation: Any) -> Any:
    """As `decoding.turn`."""
    import tensorflow as tf

    def one_of(*numbers: int) -> Any:
        return tf.reduce_any(tf.equal(orientation, numbers))

    shape = (None, None, image.shape[-1])
    image = tf.cond(one_of(5, 6, 7, 8), lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    image = tf.cond(one_of(3, 4, 7, 8), lambda: image[::-1], lambda: image)
    return tf.ensure_shape(
        tf.cond(one_of(2, 3, 6, 7), lambda: image[:, ::-1], lambda: image), shape
    )
