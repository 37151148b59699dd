"""The nets of speed.py as one writes them with Keras alone: no layer, loss or model of dnzoo's."""

import keras
import tensorflow as tf
from keras import ops
from keras.layers import (
    Activation,
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    LeakyReLU,
    MaxPooling2D,
    ReLU,
    Rescaling,
    Reshape,
    ZeroPadding2D,
)

FILTERS = (32, 64, 128, 256, 512)
LITE = (
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)


def conv(x, filters, kernel=3, **kwargs):
    return Conv2D(filters, kernel, padding="same", **kwargs)(x)


def double(x, filters):
    for _ in range(2):
        x = ReLU()(BatchNormalization()(conv(x, filters)))
    return x


def decode(x, features, widths):
    for width in widths:
        x = Conv2DTranspose(width, 2, 2)(x)
        x = double(Concatenate()([features.pop(), x]) if features else x, width)
    return Conv2D(3, 1, dtype="float32")(x)


def unet():
    image, features = Input((None, None, 3)), []
    x = image
    for level, width in enumerate(FILTERS):
        x = double(MaxPooling2D(2)(x) if level else x, width)
        features.append(x)
    return keras.Model(image, decode(features.pop(), features, FILTERS[-2::-1]))


def active(x):
    return ReLU(6.0)(BatchNormalization()(x))


def lite(image):
    """Features at strides 2 to 32: before each stride, and the top."""
    x, features = (
        active(conv(Rescaling(1 / 128, -127 / 128)(image), 32, strides=2, use_bias=False)),
        [],
    )
    for repeats, kernel, strides, expansion, filters in LITE:
        for i in range(repeats):
            before, step = x, 1 if i else strides
            if expansion > 1:
                x = active(conv(x, expansion * x.shape[-1], 1, use_bias=False))
            if step == 2:
                features.append(x)
            x = active(DepthwiseConv2D(kernel, step, "same", use_bias=False)(x))
            x = BatchNormalization()(conv(x, filters, 1, use_bias=False))
            if step == 1 and before.shape[-1] == filters:
                x = Add()([x, before])
    return [*features, active(conv(x, 1280, 1, use_bias=False))]


def unet_lite0():
    image = Input((None, None, 3))
    *features, x = lite(image)
    return keras.Model(image, decode(x, features, FILTERS[::-1]))


def fcn8s():
    image = Input((None, None, 3))
    _, _, eight, sixteen, x = lite(image)
    x = conv(conv(x, 256, 7, activation="relu"), 256, 1, activation="relu")

    def up(x, factor, **kwargs):
        return Conv2DTranspose(21, 2 * factor, factor, "same", use_bias=False, **kwargs)(x)

    x = Add()([up(conv(x, 21, 1), 2), conv(sixteen, 21, 1)])
    x = Add()([up(x, 2), conv(eight, 21, 1)])
    return keras.Model(image, up(x, 8, dtype="float32"))


def mask_head():
    features = x = Input((14, 14, 256))
    for _ in range(4):
        x = conv(x, 256, activation="relu")
    x = Conv2DTranspose(256, 2, 2, activation="relu")(x)
    return keras.Model(features, Conv2D(80, 1, dtype="float32")(x))


def edsr():
    image = Input((None, None, 3))
    first = x = conv(image, 64)
    for _ in range(16):
        x = Add()([x, conv(conv(x, 64, activation="relu"), 64)])
    x = conv(Add()([conv(x, 64), first]), 256)
    x = ops.depth_to_space(x, 2)
    return keras.Model(image, conv(x, 3, dtype="float32"))


def generator():
    latent = Input((100,))
    x = Conv2DTranspose(512, 4, use_bias=False)(Reshape((1, 1, 100))(latent))
    for width in (256, 128, 64, 3):
        x = ReLU()(BatchNormalization()(x))
        last = {"activation": "tanh", "dtype": "float32"} if width == 3 else {}
        x = Conv2DTranspose(width, 4, 2, "same", use_bias=False, **last)(x)
    return keras.Model(latent, x)


def discriminator():
    image = x = Input((64, 64, 3))
    for level, width in enumerate((64, 128, 256, 512)):
        x = Conv2D(width, 4, 2, use_bias=False)(ZeroPadding2D(1)(x))
        x = LeakyReLU(0.2)(BatchNormalization()(x) if level else x)
    return keras.Model(image, Flatten()(Conv2D(1, 4, use_bias=False, dtype="float32")(x)))


class DCGAN(keras.Model):
    """As Keras's own example: two tapes in `train_step`."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = generator(), discriminator()
        self.bce = keras.losses.BinaryCrossentropy(from_logits=True)
        self.second = keras.optimizers.Adam()
        self.built = True

    def train_step(self, data):
        latent = tf.random.normal((tf.shape(data)[0], 100))
        with tf.GradientTape() as critic_tape, tf.GradientTape() as maker_tape:
            fake = self.generator(latent, training=True)
            real, judged = (self.discriminator(x, training=True) for x in (data, fake))
            maker = self.bce(tf.ones_like(judged), judged)
            critic = self.bce(tf.ones_like(real), real)
            critic += self.bce(tf.zeros_like(judged), judged)
        for tape, loss, net, optimizer in (
            (critic_tape, critic, self.discriminator, self.optimizer),
            (maker_tape, maker, self.generator, self.second),
        ):
            optimizer.apply(tape.gradient(loss, net.trainable_weights), net.trainable_weights)
        return {"total": critic + maker}  # Keras would take "loss" from its own tracker


class VAE(keras.Model):
    def __init__(self):
        super().__init__()
        image = x = Input((28, 28, 1))
        x = Flatten()(
            conv(conv(x, 32, 4, strides=2, activation="relu"), 64, 4, strides=2, activation="relu")
        )
        x = Dense(256, activation="relu")(x)
        self.encoder = keras.Model(image, [Dense(20, dtype="float32")(x) for _ in range(2)])
        latent = Input((20,))
        x = Dense(3136, activation="relu")(Dense(256, activation="relu")(latent))
        x = Reshape((7, 7, 64))(x)
        for _ in range(2):
            x = Activation("relu")(Conv2DTranspose(32, 2, 2)(x))
        self.decoder = keras.Model(latent, conv(x, 1, dtype="float32"))
        self.seeds = keras.random.SeedGenerator(0)
        self.built = True

    def call(self, images):
        mean, log_variance = self.encoder(images)
        noise = keras.random.normal(ops.shape(mean), dtype="float32", seed=self.seeds)
        pixels = self.decoder(mean + ops.exp(0.5 * log_variance) * noise)
        kl = 0.5 * ops.sum(mean**2 + ops.exp(log_variance) - 1 - log_variance, axis=-1)
        images = ops.cast(images, "float32")
        each = ops.binary_crossentropy(images, pixels, from_logits=True)
        self.add_loss(ops.mean(ops.sum(each, axis=(1, 2, 3)) + kl))
        return pixels


def take(variables, weights):
    """Assign the weights of dnzoo's net, [(name, value)]: each to the next of its name and shape."""
    left = {}
    for name, value in weights:
        left.setdefault((name, value.shape), []).append(value)
    for variable in variables:
        variable.assign(left[variable.name, tuple(variable.shape)].pop(0))
    if any(left.values()):
        raise ValueError("weights are left over.")
