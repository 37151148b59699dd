"""The nets of speed.py written plainly in PyTorch: the peers that dnzoo is measured against.

Modules are declared in the order in which Keras lists the weights, so that `take` can give a net the
weights of dnzoo's; that both then compute the same is checked in every measurement.
"""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

FILTERS = (32, 64, 128, 256, 512)
LITE = (
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)


class Double(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.conv_1 = nn.Conv2d(before, after, 3, padding=1)
        self.conv_2 = nn.Conv2d(after, after, 3, padding=1)
        self.norm_1, self.norm_2 = (nn.BatchNorm2d(after, 1e-3, 0.01) for _ in range(2))

    def forward(self, x):
        x = F.relu(self.norm_1(self.conv_1(x)), inplace=True)
        return F.relu(self.norm_2(self.conv_2(x)), inplace=True)


class Decoder(nn.Module):
    """Of a U-Net: upsampling, concatenation where there is a feature, two convolutions a level."""

    def __init__(self, deepest, skips, widths):
        super().__init__()
        self.skips, before = skips, deepest
        levels = []
        for width, skip in zip(widths, skips):
            levels.append(nn.ConvTranspose2d(before, width, 2, 2))
            levels.append(Double(width + skip, width))
            before = width
        self.levels = nn.ModuleList(levels)
        self.head = nn.Conv2d(before, 3, 1)

    def forward(self, x, features):
        for up, double, skip in zip(self.levels[::2], self.levels[1::2], self.skips):
            x = up(x)
            x = double(torch.cat([features.pop(), x], 1) if skip else x)
        return self.head(x)


class UNet(nn.Module):
    def __init__(self, filters=FILTERS):
        super().__init__()
        self.encoder = nn.ModuleList(Double(a, b) for a, b in zip((3, *filters), filters))
        self.decoder = Decoder(filters[-1], filters[-2::-1], filters[-2::-1])

    def forward(self, x):
        features = []
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, 2) if level else x)
            features.append(x)
        return self.decoder(features.pop(), features)


class UNetWide(UNet):
    def __init__(self):
        super().__init__(tuple(2 * width for width in FILTERS))


class Padded(nn.Conv2d):
    """A convolution of stride 2 that pads as TensorFlow does: one row more at the end."""

    def forward(self, x):
        extra = self.kernel_size[0] - self.stride[0]
        return super().forward(F.pad(x, (extra // 2, extra - extra // 2) * 2))


def lite_conv(before, after, kernel, stride=1, groups=1, active=True):
    kind = Padded if stride > 1 else nn.Conv2d
    padding = 0 if stride > 1 else kernel // 2
    conv = kind(before, after, kernel, stride, padding, groups=groups, bias=False)
    norm = nn.BatchNorm2d(after, 1e-3, 0.01)
    return nn.Sequential(conv, norm, *([nn.ReLU6(inplace=True)] if active else []))


class LiteBlock(nn.Module):
    def __init__(self, before, kernel, stride, expansion, after):
        super().__init__()
        wide = before * expansion
        self.expand = lite_conv(before, wide, 1) if expansion > 1 else None
        self.rest = nn.Sequential(
            lite_conv(wide, wide, kernel, stride, wide), lite_conv(wide, after, 1, active=False)
        )
        self.adds, self.stride = stride == 1 and before == after, stride

    def forward(self, x):
        wide = x if self.expand is None else self.expand(x)
        y = self.rest(wide)
        return wide, (x + y if self.adds else y)


class EfficientNetLite0(nn.Module):
    """Features at strides 2 to 32, the last tensors there: expanded ones, and the top."""

    def __init__(self):
        super().__init__()
        self.stem = lite_conv(3, 32, 3, 2)
        blocks, before = [], 32
        for repeats, kernel, stride, expansion, after in LITE:
            for i in range(repeats):
                blocks.append(LiteBlock(before, kernel, 1 if i else stride, expansion, after))
                before = after
        self.blocks, self.top = nn.ModuleList(blocks), lite_conv(320, 1280, 1)

    def forward(self, x):
        x, features = self.stem((x - 127) / 128), []
        for block in self.blocks:
            wide, x = block(x)
            if block.stride == 2:
                features.append(wide)  # the last one before the stride
        return [*features, self.top(x)]


class UNetLite(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = EfficientNetLite0()
        self.decoder = Decoder(1280, (672, 240, 144, 96, 0), FILTERS[::-1])

    def forward(self, x):
        *features, x = self.encoder(x)
        return self.decoder(x, features)


class FCN8s(nn.Module):
    def __init__(self, classes=21, width=256):
        super().__init__()
        self.encoder = EfficientNetLite0()
        self.fc6 = nn.Conv2d(1280, width, 7, padding=3)
        self.fc7 = nn.Conv2d(width, width, 1)
        self.score_32 = nn.Conv2d(width, classes, 1)
        self.up_16 = nn.ConvTranspose2d(classes, classes, 4, 2, 1, bias=False)
        self.score_16 = nn.Conv2d(672, classes, 1)
        self.up_8 = nn.ConvTranspose2d(classes, classes, 4, 2, 1, bias=False)
        self.score_8 = nn.Conv2d(240, classes, 1)
        self.up_1 = nn.ConvTranspose2d(classes, classes, 16, 8, 4, bias=False)

    def forward(self, x):
        _, _, eight, sixteen, x = self.encoder(x)
        x = self.score_32(F.relu(self.fc7(F.relu(self.fc6(x)))))
        x = self.up_16(x) + self.score_16(sixteen)
        return self.up_1(self.up_8(x) + self.score_8(eight))


class Generator(nn.Module):
    def __init__(self, widths=(512, 256, 128, 64)):
        super().__init__()
        layers = [nn.ConvTranspose2d(100, 512, 4, bias=False)]
        for before, after in zip(widths, (*widths[1:], 3)):
            layers += [nn.BatchNorm2d(before, 1e-3, 0.01), nn.ReLU(inplace=True)]
            layers.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False))
        self.layers = nn.Sequential(*layers)

    def forward(self, latent):
        return torch.tanh(self.layers(latent[:, :, None, None]))


class Discriminator(nn.Module):
    def __init__(self, widths=(64, 128, 256, 512)):
        super().__init__()
        layers = [nn.Conv2d(3, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for before, after in itertools.pairwise(widths):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=False))
            layers += [nn.BatchNorm2d(after, 1e-3, 0.01), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(512, 1, 4, bias=False))

    def forward(self, x):
        return self.layers(x)[:, :, 0, 0]


class DCGAN(nn.Module):
    """Both nets; the loss of a step that trains both, as dnzoo's: each by its own part alone."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = Generator(), Discriminator()

    def loss(self, images, latent):
        fake = self.generator(latent)
        bce = F.binary_cross_entropy_with_logits
        real, still = (self.discriminator(x).float() for x in (images, fake.detach()))
        critic = bce(real, torch.ones_like(real)) + bce(still, torch.zeros_like(still))
        for weight in self.discriminator.parameters():
            weight.requires_grad_(False)
        judged = self.discriminator(fake).float()
        for weight in self.discriminator.parameters():
            weight.requires_grad_(True)
        return critic + bce(judged, torch.ones_like(judged))


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_2, self.conv_4 = nn.Conv2d(1, 32, 4, 2, 1), nn.Conv2d(32, 64, 4, 2, 1)
        self.hidden = nn.Linear(3136, 256)
        self.mean, self.log_variance = nn.Linear(256, 20), nn.Linear(256, 20)
        self.hidden_2, self.project = nn.Linear(20, 256), nn.Linear(256, 3136)
        self.up_4, self.up_2 = nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 32, 2, 2)
        self.head = nn.Conv2d(32, 1, 3, padding=1)

    def encode(self, x):
        x = F.relu(self.conv_4(F.relu(self.conv_2(x))))
        x = F.relu(self.hidden(x.permute(0, 2, 3, 1).flatten(1)))
        return self.mean(x), self.log_variance(x)

    def decode(self, latent):
        x = F.relu(self.project(F.relu(self.hidden_2(latent))))
        x = x.view(-1, 7, 7, 64).permute(0, 3, 1, 2)
        return self.head(F.relu(self.up_2(F.relu(self.up_4(x))))).float()

    def forward(self, images):
        return self.decode(self.encode(images)[0])

    def loss(self, images, noise):
        mean, log_variance = (value.float() for value in self.encode(images))
        pixels = self.decode(mean + torch.exp(0.5 * log_variance) * noise)
        likelihood = F.binary_cross_entropy_with_logits(pixels, images, reduction="sum")
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
        return (likelihood + kl) / len(images)


class MaskHead(nn.Sequential):
    def __init__(self):
        convs = [x for _ in range(4) for x in (nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(True))]
        super().__init__(
            *convs, nn.ConvTranspose2d(256, 256, 2, 2), nn.ReLU(True), nn.Conv2d(256, 80, 1)
        )


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_1, self.conv_2 = (nn.Conv2d(64, 64, 3, padding=1) for _ in range(2))

    def forward(self, x):
        return x + self.conv_2(F.relu(self.conv_1(x)))


class EDSR(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, padding=1)
        self.blocks = nn.Sequential(*(Residual() for _ in range(16)))
        self.last, self.up = nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 256, 3, padding=1)
        self.head = nn.Conv2d(64, 3, 3, padding=1)

    def forward(self, x):
        x = self.first(x)
        x = self.up(self.last(self.blocks(x)) + x)
        n, _, height, width = x.shape  # dnzoo's order of channels: block first
        x = x.view(n, 2, 2, 64, height, width).permute(0, 3, 4, 1, 5, 2)
        return self.head(x.reshape(n, 64, 2 * height, 2 * width))


def take(net, weights):
    """Give a net the weights that Keras lists, in its order and layout."""
    left = [np.asarray(value, "float32") for value in weights]
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            values = [module.weight, module.bias, module.running_mean, module.running_var]
        else:
            values = [value for value in module._parameters.values() if value is not None]
        for value in values:
            array = left.pop(0)
            if array.ndim == 4:
                depthwise = getattr(module, "groups", 1) > 1
                array = array.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
            array = array.T if array.ndim == 2 else array
            with torch.no_grad():
                value.copy_(torch.from_numpy(array.copy()))
    if left:
        raise ValueError(f"{len(left)} weights are left over.")
