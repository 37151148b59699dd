"""Every layer beside the same written with PyTorch's operators: name -> (input shapes, ours, theirs)."""

import torch
from torch import nn
from torch.nn import functional as F

from dnzoo import layers as L

IMAGE, SMALL, LINE, VOLUME = (8, 32, 32, 64), (8, 16, 16, 64), (8, 1024, 64), (2, 8, 16, 16, 32)


class Do(nn.Module):
    """A function of inputs and modules, with their parameters."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *inputs):
        return self.function(self, *inputs)


def shuffled(x, block, rank):
    """Pixel shuffle of any rank by views, in dnzoo's channel order."""
    n, depth, *sizes = x.shape
    x = x.reshape(n, *[block] * rank, depth // block**rank, *sizes)
    pairs = [axis for i in range(rank) for axis in (2 + rank + i, 1 + i)]
    x = x.permute(0, 1 + rank, *pairs)
    return x.reshape(n, -1, *(size * block for size in sizes))


def unshuffled(x, block, rank):
    n, depth, *sizes = x.shape
    x = x.reshape(n, depth, *(part for size in sizes for part in (size // block, block)))
    x = x.permute(0, *(3 + 2 * i for i in range(rank)), 1, *(2 + 2 * i for i in range(rank)))
    return x.reshape(n, -1, *(size // block for size in sizes))


def resized(mode, scale=2, **arguments):
    return Do(lambda self, x: F.interpolate(x, scale_factor=scale, mode=mode, **arguments))


def zero_inserted(self, x):
    n, depth, height, width = x.shape
    spaced = x.new_zeros(n, depth, 2 * height - 1, 2 * width - 1)
    spaced[:, :, ::2, ::2] = x
    return self.conv(F.pad(spaced, (2, 2, 2, 2)))


def carafe(self, x):
    n, depth, height, width = x.shape
    weights = F.softmax(F.pixel_shuffle(self.encode(self.compress(x)), 2), 1)
    around = F.unfold(x, 5, padding=2).view(n, depth, 25, height, width)
    around = around.view(n, depth * 25, height, width)
    around = F.interpolate(around, scale_factor=2).view(n, depth, 25, 2 * height, 2 * width)
    return (around * weights[:, None]).sum(2)


def dysample(self, x):
    n, depth, height, width = x.shape
    offset = F.pixel_shuffle(0.25 * self.offset(x), 2).reshape(n * 4, 2, 2 * height, 2 * width)
    rows = (torch.arange(2 * height) + 0.5) / 2 - 0.5
    columns = (torch.arange(2 * width) + 0.5) / 2 - 0.5
    points = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))
    points = (points + offset).permute(0, 2, 3, 1)
    grid = 2 * (points + 0.5) / torch.tensor([width, height]) - 1
    parts = x.reshape(n * 4, depth // 4, height, width)
    made = F.grid_sample(parts, grid, padding_mode="border", align_corners=False)
    return made.reshape(n, depth, 2 * height, 2 * width)


def self_attention(self, x):
    query, key, value = (part(x).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
    scores = torch.softmax(query @ key.transpose(1, 2), -1)
    found = (scores @ value).transpose(1, 2).reshape(*value.shape[:1], -1, *x.shape[2:])
    return x + self.gamma * self.out(found)


def attention():
    module = Do(
        self_attention,
        q=nn.Conv2d(64, 8, 1),
        k=nn.Conv2d(64, 8, 1),
        v=nn.Conv2d(64, 32, 1),
        out=nn.Conv2d(32, 64, 1),
    )
    module.gamma = nn.Parameter(torch.zeros(()))
    return module


def squeeze_excite(self, x):
    weights = self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
    return x * torch.sigmoid(weights)


def gate(self, x, skip):
    return skip * torch.sigmoid(self.weight(torch.relu(self.look(x) + self.offer(skip))))


def blurred(self, x):
    row = torch.tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(row, row).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=x.shape[1])


def fused(self, fine, coarse):
    coarse = F.interpolate(self.second(coarse), scale_factor=2, mode="bilinear")
    return self.first(fine) + coarse


def residual_up(self, x):
    main = torch.relu(self.norm_1(self.up(x)))
    main = self.norm_2(self.conv(main))
    return torch.relu(main + self.shortcut(x))


def block():
    def norm():
        return nn.BatchNorm2d(64)

    convs = (nn.Conv2d(64, 64, 3, padding=1) for _ in range(2))
    return nn.Sequential(next(convs), norm(), nn.ReLU(), next(convs), norm(), nn.ReLU())


def up():
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(64, 64, 3, padding=1))


def spectral():
    conv = nn.ConvTranspose2d(64, 64, 4, 2, 1)
    return nn.utils.parametrizations.spectral_norm(conv)


def switches(rng):
    return rng.integers(0, 4, IMAGE).astype("int32")


def unpooled(self, x, switch):
    height, width = x.shape[2:]
    rows = torch.arange(height)[:, None] * 2 + switch // 2
    columns = torch.arange(width) * 2 + switch % 2
    return F.max_unpool2d(x, (rows * 2 * width + columns).long(), 2)


def same(filters=64, kernel=3):
    return nn.Conv2d(64, filters, kernel, padding=kernel // 2)


PAIRS = {
    "Conv1DTranspose k4 s2": ([LINE], lambda: L.Conv1DTranspose(64, 4, 2, 1), lambda: nn.ConvTranspose1d(64, 64, 4, 2, 1)),
    "Conv2DTranspose k2 s2": ([IMAGE], lambda: L.Conv2DTranspose(64, 2, 2), lambda: nn.ConvTranspose2d(64, 64, 2, 2)),
    "Conv2DTranspose k3 s2": ([IMAGE], lambda: L.Conv2DTranspose(64, 3, 2, 1, 1), lambda: nn.ConvTranspose2d(64, 64, 3, 2, 1, 1)),
    "Conv2DTranspose k4 s2": ([IMAGE], lambda: L.Conv2DTranspose(64, 4, 2, 1), lambda: nn.ConvTranspose2d(64, 64, 4, 2, 1)),
    "Conv2DTranspose, 4 groups": ([IMAGE], lambda: L.Conv2DTranspose(64, 4, 2, 1, groups=4), lambda: nn.ConvTranspose2d(64, 64, 4, 2, 1, groups=4)),
    "Conv2DTranspose, dilation 2": ([IMAGE], lambda: L.Conv2DTranspose(64, 3, 2, 2, 1, dilation_rate=2), lambda: nn.ConvTranspose2d(64, 64, 3, 2, 2, 1, dilation=2)),
    "Conv3DTranspose k4 s2": ([VOLUME], lambda: L.Conv3DTranspose(32, 4, 2, 1), lambda: nn.ConvTranspose3d(32, 32, 4, 2, 1)),
    "FractionalConv2D": ([IMAGE], lambda: L.FractionalConv2D(64, 4, 2, 1), lambda: Do(zero_inserted, conv=nn.Conv2d(64, 64, 4))),
    "DepthwiseConv2DTranspose": ([IMAGE], lambda: L.DepthwiseConv2DTranspose(4, 2, 1), lambda: nn.ConvTranspose2d(64, 64, 4, 2, 1, groups=64)),
    "SeparableConv2DTranspose": ([IMAGE], lambda: L.SeparableConv2DTranspose(64, 4, 2, 1), lambda: nn.Sequential(nn.ConvTranspose2d(64, 64, 4, 2, 1, groups=64, bias=False), nn.Conv2d(64, 64, 1))),
    "PixelShuffle1D": ([LINE], lambda: L.PixelShuffle1D(2), lambda: Do(lambda self, x: shuffled(x, 2, 1))),
    "PixelShuffle2D": ([IMAGE], lambda: L.PixelShuffle2D(2), lambda: nn.PixelShuffle(2)),
    "PixelShuffle3D": ([VOLUME], lambda: L.PixelShuffle3D(2), lambda: Do(lambda self, x: shuffled(x, 2, 3))),
    "PixelUnshuffle1D": ([LINE], lambda: L.PixelUnshuffle1D(2), lambda: Do(lambda self, x: unshuffled(x, 2, 1))),
    "PixelUnshuffle2D": ([IMAGE], lambda: L.PixelUnshuffle2D(2), lambda: nn.PixelUnshuffle(2)),
    "PixelUnshuffle3D": ([VOLUME], lambda: L.PixelUnshuffle3D(2), lambda: Do(lambda self, x: unshuffled(x, 2, 3))),
    "SubpixelConv1D": ([LINE], lambda: L.SubpixelConv1D(64), lambda: Do(lambda self, x: shuffled(self.conv(x), 2, 1), conv=nn.Conv1d(64, 128, 3, padding=1))),
    "SubpixelConv2D": ([IMAGE], lambda: L.SubpixelConv2D(64), lambda: nn.Sequential(same(256), nn.PixelShuffle(2))),
    "SubpixelConv3D": ([VOLUME], lambda: L.SubpixelConv3D(32), lambda: Do(lambda self, x: shuffled(self.conv(x), 2, 3), conv=nn.Conv3d(32, 256, 3, padding=1))),
    "Resize1D linear": ([LINE], lambda: L.Resize1D(2, interpolation="linear"), lambda: resized("linear")),
    "Resize2D nearest": ([IMAGE], lambda: L.Resize2D(2), lambda: resized("nearest-exact")),
    "Resize2D nearest by 1.5": ([IMAGE], lambda: L.Resize2D(1.5), lambda: resized("nearest-exact", 1.5)),
    "Resize2D bilinear": ([IMAGE], lambda: L.Resize2D(2, interpolation="bilinear"), lambda: resized("bilinear")),
    "Resize2D bilinear by 3": ([SMALL], lambda: L.Resize2D(3, interpolation="bilinear"), lambda: resized("bilinear", 3)),
    "Resize2D bicubic": ([IMAGE], lambda: L.Resize2D(2, interpolation="bicubic"), lambda: resized("bicubic")),
    "Resize2D bilinear to a half, antialiased": ([IMAGE], lambda: L.Resize2D(0.5, interpolation="bilinear", antialias=True), lambda: resized("bilinear", 0.5, antialias=True)),
    "Resize3D trilinear": ([VOLUME], lambda: L.Resize3D(2, interpolation="trilinear"), lambda: resized("trilinear")),
    "ResizeConv1D": ([LINE], lambda: L.ResizeConv1D(64), lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv1d(64, 64, 3, padding=1))),
    "ResizeConv2D nearest": ([IMAGE], lambda: L.ResizeConv2D(64), lambda: nn.Sequential(nn.Upsample(scale_factor=2), same())),
    "ResizeConv2D bilinear": ([IMAGE], lambda: L.ResizeConv2D(64, interpolation="bilinear"), lambda: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), same())),
    "ResizeConv3D": ([VOLUME], lambda: L.ResizeConv3D(32), lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv3d(32, 32, 3, padding=1))),
    "ResizeLike bilinear": ([SMALL, IMAGE], lambda: L.ResizeLike("bilinear"), lambda: Do(lambda self, x, reference: F.interpolate(x, size=reference.shape[2:], mode="bilinear"))),
    "AdaptiveAveragePooling2D to 6": ([IMAGE], lambda: L.AdaptiveAveragePooling2D(6), lambda: nn.AdaptiveAvgPool2d(6)),
    "MaxPoolWithSwitches2D": ([IMAGE], lambda: L.MaxPoolWithSwitches2D(), lambda: nn.MaxPool2d(2, return_indices=True)),
    "MaxUnpool2D": ([IMAGE, switches], lambda: L.MaxUnpool2D(), lambda: Do(unpooled)),
    "CARAFE": ([SMALL], lambda: L.CARAFE(), lambda: Do(carafe, compress=nn.Conv2d(64, 64, 1), encode=nn.Conv2d(64, 100, 3, padding=1))),
    "DySample": ([IMAGE], lambda: L.DySample(), lambda: Do(dysample, offset=nn.Conv2d(64, 32, 1))),
    "AttentionGate": ([IMAGE, IMAGE], lambda: L.AttentionGate(), lambda: Do(gate, look=nn.Conv2d(64, 32, 1), offer=nn.Conv2d(64, 32, 1, bias=False), weight=nn.Conv2d(32, 1, 1))),
    "SqueezeExcite": ([IMAGE], lambda: L.SqueezeExcite(), lambda: Do(squeeze_excite, squeeze=nn.Conv2d(64, 4, 1), excite=nn.Conv2d(4, 64, 1))),
    "SelfAttention2D": ([SMALL], lambda: L.SelfAttention2D(), attention),
    "SelfAttention2D in chunks": ([SMALL], lambda: L.SelfAttention2D(chunk=64), attention),
    "Blur": ([IMAGE], lambda: L.Blur(), lambda: Do(blurred)),
    "FadeIn": ([IMAGE, IMAGE], lambda: L.FadeIn(0.5), lambda: Do(lambda self, old, new: torch.lerp(old, new, 0.5))),
    "SpectralNormalization": ([IMAGE], lambda: L.SpectralNormalization(L.Conv2DTranspose(64, 4, 2, 1)), spectral),
    "BatchNormalization": ([IMAGE], lambda: L.BatchNormalization(), lambda: nn.BatchNorm2d(64)),
    "ConvBlock": ([IMAGE], lambda: L.ConvBlock(64), block),
    "ResidualUpBlock": ([SMALL], lambda: L.ResidualUpBlock(64), lambda: Do(residual_up, up=up(), shortcut=up(), conv=same(), norm_1=nn.BatchNorm2d(64), norm_2=nn.BatchNorm2d(64))),
    "MatchSize": ([IMAGE, (8, 31, 31, 64)], lambda: L.MatchSize(), lambda: Do(lambda self, x, reference: x[:, :, :31, :31])),
    "SkipFusion concat": ([IMAGE, IMAGE], lambda: L.SkipFusion(), lambda: Do(lambda self, x, skip: torch.cat([skip, x], 1))),
    "SkipFusion add": ([IMAGE, IMAGE], lambda: L.SkipFusion("add"), lambda: Do(lambda self, x, skip: x + skip)),
    "MultiScaleFusion": ([IMAGE, SMALL], lambda: L.MultiScaleFusion(64), lambda: Do(fused, first=nn.Conv2d(64, 64, 1), second=nn.Conv2d(64, 64, 1))),
    "Preprocessing": ([IMAGE], lambda: L.Preprocessing(), lambda: Do(lambda self, x: x / 127.5 - 1)),
}  # fmt: skip
