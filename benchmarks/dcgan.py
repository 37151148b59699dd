"""dnzoo's DCGAN beside a plain PyTorch one: the same nets, pictures, batches, steps and judge.

The PyTorch one updates the discriminator, then the generator, in each step, as its tutorial does; dnzoo's
as its `critic_steps` says. Pictures of both are judged as `recipes/dcgan.py` does: 10,000 against the
10,000 test pictures, in the features of `classifier_fashion_mnist`. 40 minutes on 2 cores:
    python benchmarks/dcgan.py --out benchmarks/dcgan.csv
"""

import contextlib
import copy
import dataclasses
import time

import numpy as np
import recipes_of
import table
import torch
import tyro
from torch import nn

import dnzoo
from dnzoo.training.environment import environment

AVERAGE, SMOOTHING = 0.999, 0.1


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    model: str = "dcgan_fashion_mnist"
    """dnzoo's, published or the folder of a SavedModel, trained with the same epochs and batches."""
    epochs: int = 12
    """Of the PyTorch one."""
    seed: int = 0
    """Of both."""
    smoke: bool = False
    """A few steps, to see that everything works."""


def networks(latent=100, filters=64, channels=1):
    """Generator and discriminator for 32 x 32."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(latent, 4 * filters, 4, 1, 0, bias=False),
        *_norm(4 * filters, nn.ReLU()),
        nn.ConvTranspose2d(4 * filters, 2 * filters, 4, 2, 1, bias=False),
        *_norm(2 * filters, nn.ReLU()),
        nn.ConvTranspose2d(2 * filters, filters, 4, 2, 1, bias=False),
        *_norm(filters, nn.ReLU()),
        nn.ConvTranspose2d(filters, channels, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(channels, filters, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(filters, 2 * filters, 4, 2, 1, bias=False),
        *_norm(2 * filters, nn.LeakyReLU(0.2)),
        nn.Conv2d(2 * filters, 4 * filters, 4, 2, 1, bias=False),
        *_norm(4 * filters, nn.LeakyReLU(0.2)),
        nn.Conv2d(4 * filters, 1, 4, 1, 0, bias=False),
    )
    for module in (*generator, *discriminator):
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
    return generator, discriminator


def _norm(channels, activation):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01), activation


def train(task, options):
    """The averaged generator after as many steps on the same batches."""
    torch.manual_seed(options.seed)
    generator, discriminator = networks()
    averaged = copy.deepcopy(generator)
    optimizers = [
        torch.optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999), eps=1e-7)
        for net in (discriminator, generator)
    ]
    bce = nn.functional.binary_cross_entropy_with_logits
    steps, started = options.epochs * task.train.steps_per_epoch, time.monotonic()
    precision = torch.autocast("cpu", torch.bfloat16)
    for step in range(steps):
        images = torch.from_numpy(task.train.batch(step)[0]).permute(0, 3, 1, 2) / 127.5 - 1
        latent = torch.randn(len(images), 100, 1, 1)
        with precision:
            fake = generator(latent)
            logits = discriminator(images), discriminator(fake.detach())
            real = bce(logits[0].float(), torch.full_like(logits[0], 1 - SMOOTHING).float())
            loss = real + bce(logits[1].float(), torch.zeros_like(logits[1]).float())
        _update(optimizers[0], loss)
        with precision:
            logit = discriminator(fake)
            loss = bce(logit.float(), torch.ones_like(logit).float())
        _update(optimizers[1], loss)
        keep = min(AVERAGE, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, weight in zip(averaged.parameters(), generator.parameters()):
                mean.mul_(keep).add_(weight, alpha=1 - keep)
            for mean, value in zip(averaged.buffers(), generator.buffers()):
                mean.copy_(value)
        if step % 200 == 0:
            print(f"step {step}/{steps}, {time.monotonic() - started:.0f} s", flush=True)
    return averaged.eval()


def _update(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def pictures(generator, count, seed):
    """(count, 32, 32, 1) from 0 to 255, of the latents that `generate` draws."""
    latent = np.random.default_rng(seed).normal(size=(count, 100)).astype("float32")
    with torch.no_grad():
        parts = [generator(torch.from_numpy(part)[..., None, None]) for part in np.split(latent, 8)]
    return (torch.cat(parts).permute(0, 2, 3, 1).numpy() + 1) * 127.5


def main(options):
    recipe = recipes_of.recipe("dcgan")
    config = recipe.Config(seed=options.seed, smoke=options.smoke, epochs=options.epochs)
    task = config.task.from_config(config)
    count, made, rows = task._count(10_000), environment(), []
    ours = dnzoo.load(options.model)
    generator = train(task, options)
    trained = {
        "dnzoo": lambda: ours.generate(count, options.seed),
        "PyTorch": lambda: pictures(generator, count, options.seed),
    }
    for name, generate in trained.items():
        found = task.judge_pictures(generate())
        with contextlib.suppress(KeyError):
            del found["class_share"]
        found["frechet_distance"] = f"{found['frechet_distance']:.3f}"
        rows.append({"net": name, **found, "epochs": options.epochs, "seed": options.seed, **made})
        print(rows[-1])
    table.write(options.out, rows)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
