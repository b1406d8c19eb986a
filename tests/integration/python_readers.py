"""What other programs read of a run, with the libraries that people have: safetensors and h5py.

    python_readers.py RUN PER_IMAGE.h5
"""
import json
import pathlib
import sys

import h5py
import numpy
from safetensors.numpy import load_file

run = pathlib.Path(sys.argv[1])
model = json.loads((run / "model.json").read_text())["model"]
checks = 0


def expect(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"python_readers: {what}")


def read_parameters(path):
    tensors = load_file(path)
    widths = [64] + model["widths"] + [2 * model["latent"]]
    for layer, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        weight = tensors[f"encoder.{2 * layer}.weight"]
        expect(weight.shape == (outputs, inputs), f"{path}: encoder layer {layer} is {weight.shape}")
        expect(weight.dtype == numpy.float32, f"{path}: {weight.dtype}")
        expect(numpy.isfinite(weight).all(), f"{path}: not finite")
    return tensors


last = read_parameters(run / "parameters-last.safetensors")
newest = sorted((run / "checkpoints").iterdir())[-1]
saved = read_parameters(newest / "parameters.safetensors")
expect(last.keys() == saved.keys(), "the last checkpoint has other parameters than the end")
for name in last:
    expect((last[name] == saved[name]).all(), f"{name} of the last checkpoint is not that of the end")
average = read_parameters(newest / "average.safetensors")
expect(any((average[name] != last[name]).any() for name in last), "the average is no average")

manifest = json.loads((newest / "manifest.json").read_text())
optimizer = load_file(newest / "optimizer.safetensors")
expect(optimizer["steps"].tolist() == [manifest["record"]["step"]], "steps of the optimiser")
for name, value in last.items():
    expect(optimizer[f"first_moment.{name}"].shape == value.shape, f"first moment of {name}")
    expect((optimizer[f"second_moment.{name}"] >= 0).all(), f"second moment of {name}")

evaluation = json.loads((run / "evaluation.json").read_text())
with h5py.File(sys.argv[2]) as file:
    columns = {name: file[name][:] for name in file}
expect(len(columns["elbo"]) == evaluation["count"], "rows of the per-image file")
for name in ("elbo", "reconstruction", "kl", "log_likelihood"):
    error = abs(columns[name].mean() - evaluation[name])
    expect(error < 1e-9 * abs(evaluation[name]) + 1e-9, f"mean of {name} is off by {error}")
print(f"{checks} expectations met")
