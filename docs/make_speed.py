"""Write docs/speed.md and its figure from the CSV files of benchmarks/:
python docs/make_speed.py
"""

from pathlib import Path

from speed_tables import (
    PRECISIONS,
    WORKS,
    Speed,
    alone,
    any_size,
    costs,
    elsewhere,
    inference,
    install_machine,
    int8_off,
    levers,
    linear,
    mask_head,
    of_dcgan,
    outside,
    plain,
    precision,
    profile,
    read,
    training,
)

from dnzoo import storage

HERE = Path(__file__).parent


def picture(speed):
    """How long dnzoo takes beside the best PyTorch and OpenVINO, work by work."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = (
        ("train", "PyTorch", "training step, share of the best PyTorch's"),
        ("infer", "OpenVINO", "inference, share of OpenVINO's"),
    )
    for axes, (action, peer, title) in zip(figure.subplots(1, 2, sharey=True), panels):
        for shift, (kind, colour) in enumerate((("float32", "#8da0cb"), ("bf16", "#fc8d62"))):
            values = [speed.ratio(work, action, kind, "dnzoo", peer) or 0 for work in WORKS]
            places = [place + 0.4 * shift - 0.2 for place in range(len(WORKS))]
            axes.barh(places, values, 0.36, color=colour, label=PRECISIONS[kind])
            for place, value in zip(places, values):
                axes.text(0.02, place, f"{value:.2f}", va="center", fontsize=7)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_title(title, fontsize=10)
        axes.set_yticks(range(len(WORKS)), list(WORKS))
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].invert_yaxis()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=2)
    with storage.new_file(HERE / "images/speed.png", overwrite=True) as path:
        figure.savefig(path, dpi=110)


def page(speed, earlier):
    row = next(iter(speed.rows.values()))
    return f"""# Speed

Written by `python docs/make_speed.py` from what `benchmarks/` measured. Every framework runs in a process of its own with the same weights and
the same batch, and has to put out what PyTorch puts out (training: the same first loss); they take turns. Medians of five turns. {row["device"]}, {row["versions"]},
PyTorch {row["torch"]}, OpenVINO {row["openvino"]}, ONNX Runtime {row["onnxruntime"]}, LiteRT {row["ai-edge-litert"]}; CPU flags {row["cpu_flags"]}; {row["date"]}.

![dnzoo beside the best PyTorch, and beside OpenVINO](images/speed.png)

## Training

`python benchmarks/speed.py --out benchmarks/speed.csv` ([every number](../benchmarks/speed.csv), with quartiles, memory, start-up, and how far outputs are off). `fit`, Adam, PyTorch with
channels_last, its fused Adam, and autocast in bfloat16. "Keras" is the same net written with Keras's own layers.
FCN-8s's training rows were measured while its scores began at 0: their first loss says nothing of its nets. Its outputs below were compared with all weights moved.

{training(speed)}

The goals were 0.75 for the U-Net in bfloat16 and 0.80 in float32, and nothing above 1.0. The profile below says what keeps the U-Net from them. Of the others above 1.0:

* DCGAN in bfloat16: the filter gradients of its convolutions with stride 2 (`step_profile.py`, each alone, TensorFlow against PyTorch: {of_dcgan()}).
  A step has three of these filter gradients, which is more than all it is behind. The next lever: oneDNN 3.12, or those convolutions as a rearrangement to depth and stride 1.
* DCGAN in float32: within the quartiles of both.
* The mask head in bfloat16: its output layer computes in float32, where PyTorch's autocast takes bfloat16. In bfloat16 a step takes {mask_head():.2f} of the time (`levers.py`).

The same command on another CPU of the same name, whose bfloat16 units are about twice as fast:

{elsewhere([speed, *earlier])}

## Profile of a U-Net training step

Milliseconds of kernels, two of which run at a time; "before" is Keras's batch normalisation and Adam, "after" dnzoo's (`python benchmarks/step_profile.py --out benchmarks/step_profile.csv`).
The last columns are the 18 convolutions of 3 x 3, each alone on both cores.

{profile()}

* Outside convolutions lie {outside()["mixed_bfloat16"]:.0%} of the kernels' time in bfloat16 and {outside()["float32"]:.0%} in float32. A bfloat16 step takes {alone()[0]:.0f} ms; its 3 x 3 convolutions, one after the other and with nothing else to do, take {alone()[1]:.0f} ms in TensorFlow
  and {alone()[2]:.0f} in PyTorch. TensorFlow 2.21 carries oneDNN 3.7 on a thread pool, PyTorch 2.13 oneDNN 3.12 on OpenMP: the same kernels, of
  which the second get more out of two cores, above all in the filter gradient. TensorFlow's step is the shorter one nevertheless, because two kernels run side by side and the rest is small.
* What else could be done to the step, one change at a time, by turns with the net as it is (`python benchmarks/levers.py --out benchmarks/levers.csv`): Adam in one operation per weight
  (`dnzoo.training.Adam`) was worth its lines. The machine by itself moves these ratios by up to 0.07 (plain gradient descent does less than Adam); what is left is not above that. Even without batch normalisation, or with plain gradient descent, no change reaches the goal: the next lever is in
  oneDNN, a TensorFlow with version 3.12. Recomputation (`keras.RematScope`) would save memory for time; in TensorFlow graphs it fails with Keras 3.15 on layers that take `training`.

{levers()}

`--precision auto` trains in bfloat16 where the CPU has AMX or AVX512-BF16. What that costs in accuracy: `unet_fashion_scenes`'s recipe, smaller, three seeds in each precision
(`python benchmarks/precision.py --out benchmarks/precision.csv`):

{precision()}

## Inference

Compiled functions in TensorFlow (`dnzoo.deploy`, fixed size) and Keras; PyTorch with weights in bfloat16, compiled with frozen ones; OpenVINO from the PyTorch net, and from `dnzoo.export`.

{inference(speed)}

* `deploy` folds batch normalisation and keeps kernels in bfloat16; the last layer stays float32. That, and the bias and ReLU of its transposed convolutions, which TensorFlow computes apart, is much of what the
  small VAE does. OpenVINO computes DCGAN's transposed convolutions in float32 whatever it is told (its outputs are not off).
* dnzoo's exports read images as they are, channels last; OpenVINO's own conversion of the PyTorch net reads them channels first.
* LiteRT gets transposed convolutions as convolutions and a pixel shuffle (`dnzoo.export` rewrites them): it has no fast kernel for them, and with int8 weights none at all. With int8 weights, files a
  fourth of the size ([`exports.csv`](../benchmarks/exports.csv)), it is the fastest of all on four of seven nets, and {int8_off()} of the largest output off.

{costs(speed)}

Every upsampler alone, forward and backward, beside PyTorch: [`layers.md`](layers.md).

What `deploy` does to the published models' results on their test data (`python benchmarks/deployed.py --out benchmarks/deployed.csv`; the VAE's bound is of drawn latents, which
move it by 0.1):

{plain("deployed", {"model": "model", "weights": "weights", "on the test split": "metrics", "MB": "weights_mb"})}

## Images of any size

`dnzoo.predict` on memory-mapped images (`python benchmarks/any_size.py --out benchmarks/any_size.csv`), with `dnzoo.deploy` in bfloat16:

{any_size()}

{linear()}

## Input pipeline

Images per second that the batches deliver, and that training the same model consumes on this machine (`python benchmarks/input_side.py --out benchmarks/input_side.csv`):

{plain("input_side", {"batches of": "batches", "delivered": "delivered", "consumed": "eaten", "ratio": "ratio", "": "note"})}

Images are decoded once, before the first epoch, and kept as memory-mapped arrays; from then on batches of JPEG and of PNG do the same work. The rows of folders were measured beside other work: what
differs between the two is chance, and all their numbers are low. Decoding is the limit of the first minutes: that many images per second, on one core.

## Install and start

In an environment that the wheel alone was installed into (`python benchmarks/install.py --label VERSION --wheel dist/dnzoo-0.1.0-py3-none-any.whl --out benchmarks/install.csv`; {install_machine()}).
Other work filled both cores (the load is that of five minutes), so the CPU seconds are what counts.

{plain("install", {"version": "version", "": "what", "CPU seconds": "cpu_seconds", "seconds": "seconds", "MB": "mb", "load": "load"})}

Before, scenes were prepared by TensorFlow Datasets and then as arrays; after, they are composed into the arrays, to the same bytes. `pip install` of the wheel into an empty environment took 308 s beside other work (load 9),
and the environment 2.5 GB (`time pip install dnzoo-0.1.0-py3-none-any.whl`, 2026-11-27).

## On a GPU

`KERAS_BACKEND=jax python benchmarks/speed.py --device gpu --out benchmarks/speed_gpu.csv` measures a U-Net of 64 to 1024 filters, DCGAN and EDSR beside `torch.compile`. No GPU was at hand yet: there are no numbers.
"""


if __name__ == "__main__":
    by_device = {}
    for measured in sorted(read("speed"), key=lambda row: row["date"], reverse=True):
        by_device.setdefault(measured["device"], []).append(measured)
    latest, *earlier = [Speed(rows) for rows in by_device.values()]
    picture(latest)
    with storage.new_file(HERE / "speed.md", overwrite=True) as path:
        path.write_text(page(latest, earlier), "utf-8")
