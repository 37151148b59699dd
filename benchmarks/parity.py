"""Does it learn as it should? dnzoo's U-Net against the same written plainly in PyTorch.

Same scenes, batches, initial weights, batch normalisation, optimiser, schedule and steps; only the
libraries differ. Four garments that are easy to tell apart, so that a short training ends near its
limit: with all ten, 1,000 steps end anywhere between 0.10 and 0.17. For each seed the mean IoU of
both after the last step, on held-out scenes; then the mean of the differences with its 95 % interval
(paired t). 20 minutes on 2 cores:
    python benchmarks/parity.py --out benchmarks/parity.csv
"""

import dataclasses
import itertools
import time
from types import SimpleNamespace

import keras
import numpy as np
import table
import torch
import tyro
from torch import nn

from dnzoo import losses, metrics, training, unet
from dnzoo.data import segmentation
from dnzoo.tasks import Segmentation

WITHOUT = ("t-shirt", "pullover", "coat", "sandal", "shirt", "ankle boot")
NAMES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
MOMENTUM, EPSILON, ADAM_EPSILON = 0.99, 1e-3, 1e-7  # Keras's defaults, given to PyTorch too


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write; rows that it has already are not made again."""
    data_dir: str = "data"
    """Where prepared data is kept."""
    seeds: int = 5
    epochs: int = 10
    scenes: int = 2000
    size: int = 64
    filters: tuple[int, ...] = (16, 32, 64, 128)
    batch_size: int = 16
    learning_rate: float = 3e-3


class DoubleConvolution(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm_1 = nn.BatchNorm2d(outputs, eps=EPSILON, momentum=1 - MOMENTUM)
        self.conv_2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm_2 = nn.BatchNorm2d(outputs, eps=EPSILON, momentum=1 - MOMENTUM)

    def forward(self, x):
        x = torch.relu(self.norm_1(self.conv_1(x)))
        return torch.relu(self.norm_2(self.conv_2(x)))


class UNet(nn.ModuleDict):
    """Named as in dnzoo's net, so that weights find their place."""

    def __init__(self, filters, classes):
        super().__init__({"head": nn.Conv2d(filters[0], classes, 1)})
        for level, width in enumerate(filters):
            above = filters[level - 1] if level else 3
            self[f"encoder_{2**level}"] = DoubleConvolution(above, width)
        for level, (width, below) in enumerate(itertools.pairwise(filters)):
            self[f"up_{2**level}"] = nn.ConvTranspose2d(below, width, 2, 2)
            self[f"decoder_{2**level}"] = DoubleConvolution(2 * width, width)
        self.strides = [2**level for level in range(len(filters))]

    def forward(self, x):
        x, skips = x / 127.5 - 1, {}
        for stride in self.strides:
            x = nn.functional.max_pool2d(x, 2) if stride > 1 else x
            x = skips[stride] = self[f"encoder_{stride}"](x)
        for stride in self.strides[-2::-1]:
            x = torch.cat([skips[stride], self[f"up_{stride}"](x)], 1)
            x = self[f"decoder_{stride}"](x)
        return self["head"](x)

    def take_weights_of(self, model):
        """Start from the weights of the Keras model."""
        state = {}
        for weight in model.weights:
            *module, kind = weight.path.split("/")
            value = weight.numpy()
            # (k, k, in, out) to (out, in, k, k); transposed: (k, k, out, in) to (in, out, k, k)
            value = value.transpose(3, 2, 0, 1) if kind == "kernel" else value
            state[".".join([*module, NAMES.get(kind, kind)])] = torch.tensor(value)
        missing, unexpected = self.load_state_dict(state, strict=False)
        if unexpected or not all(name.endswith("num_batches_tracked") for name in missing):
            raise ValueError(f"the networks differ: {missing}, {unexpected}.")


def train_keras(options, task, model, steps):
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, steps)
    model.compile(
        keras.optimizers.Adam(schedule, epsilon=ADAM_EPSILON),
        losses.CrossEntropy(),
        jit_compile=False,
    )
    model.fit(task.train.dataset(0, steps), epochs=1, shuffle=False, verbose=0)
    return lambda images: model.predict_on_batch(images)


def train_pytorch(options, task, network, steps):
    optimizer = torch.optim.Adam(network.parameters(), options.learning_rate, eps=ADAM_EPSILON)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + np.cos(np.pi * step / steps))
    )
    network.train().to(memory_format=torch.channels_last)
    for images, masks in task.train.dataset(0, steps):
        x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
        loss = nn.functional.cross_entropy(network(x), torch.from_numpy(np.array(masks)).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return predictor(network)


def check_same(task, model, network):
    """Raise ValueError unless both nets put out the same before they train."""
    images = task.test.batch(0)[0]
    difference = np.abs(predictor(network)(images) - model.predict_on_batch(images)).max()
    if difference > 1e-3:
        raise ValueError(f"the untrained networks differ by {difference}.")


def predictor(network):
    network.eval()

    def predict(images):
        with torch.no_grad():
            logits = network(torch.from_numpy(images).permute(0, 3, 1, 2))
        return logits.permute(0, 2, 3, 1).numpy()

    return predict


def test(task, predict):
    confusion = metrics.ConfusionMatrix(len(task.data.class_names))
    for step in range(task.test.steps):
        images, masks = task.test.batch(step)
        confusion.update_state(masks, predict(images))
    return metrics.scores(confusion.result(), task.data.class_names)["mean_iou"]


def run_seed(options, data, seed):
    """Both nets trained with one seed, as the rows of the table."""
    config = SimpleNamespace(batch_size=options.batch_size, seed=seed, smoke=False)
    task = Segmentation(data, config)
    steps = options.epochs * task.train.steps_per_epoch
    keras.utils.set_random_seed(seed)
    classes = len(data.class_names)
    model = unet((None, None, 3), classes, filters=options.filters, include_preprocessing=True)
    network = UNet(options.filters, classes)
    network.take_weights_of(model)
    check_same(task, model, network)
    for library, train, net in (
        ("dnzoo", train_keras, model),
        ("PyTorch", train_pytorch, network),
    ):
        started = time.monotonic()
        predict = train(options, task, net, steps)
        minutes = (time.monotonic() - started) / 60
        score = test(task, predict)
        print(f"seed {seed}  {library:<8} mean IoU {score:.4f}  {minutes:.1f} minutes", flush=True)
        yield {
            "seed": seed,
            "library": library,
            "test_mean_iou": f"{score:.4f}",
            "steps": steps,
            "minutes": f"{minutes:.1f}",
            **training.environment(),
            "pytorch": torch.__version__,
        }


def main(options):
    data = segmentation.fashion_scenes(
        options.data_dir, options.size, options.scenes, without=WITHOUT
    )
    rows = table.read(options.out)
    for seed in range(options.seeds):
        if not any(row["seed"] == str(seed) for row in rows):
            rows += [{k: str(v) for k, v in row.items()} for row in run_seed(options, data, seed)]
            table.write(options.out, rows)
    scores = {
        library: [float(row["test_mean_iou"]) for row in rows if row["library"] == library]
        for library in ("dnzoo", "PyTorch")
    }
    mean, low, high = table.difference(scores["dnzoo"], scores["PyTorch"])
    print(
        f"dnzoo {np.mean(scores['dnzoo']):.4f}, PyTorch {np.mean(scores['PyTorch']):.4f}; "
        f"difference {100 * mean:+.2f} points, 95 % interval {100 * low:+.2f} to {100 * high:+.2f}"
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
