"""Rebuilds a model from what `elbow export` wrote, without Elbow, and shows that it is the same.

    export_reader.py run EXPORT DATA.h5 IMAGES LABELS FIGURES.h5 PICTURE.png
        FIGURES.h5 is of `elbow evaluate --per-image`, PICTURE.png of `elbow reconstruct`, both of
        the images and labels in DATA.h5; "-" for what a model does not have
    export_reader.py reference FOLDER
        the networks of architectures.json against the numbers of networks.json

Computes with PyTorch where it is installed, else with NumPy: apart from the two convolutions and
erf, both know by the same names what is needed. In double, whereas Elbow computes in float.
"""
import json
import math
import pathlib
import struct
import sys
import zlib

import numpy

try:
    import torch as lib
except ImportError:
    import numpy as lib

checks = 0


def expect(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"export_reader: {what}")


def tensor(values):
    values = numpy.asarray(values, numpy.float64)
    return values if lib is numpy else lib.from_numpy(values.copy())


# --- The steps of a network: docs/formats.md, "Export".


def zeros(shape):
    return tensor(numpy.zeros(tuple(shape)))


def padded(x, axis, before, after):
    shape = list(x.shape)
    shape[axis] = before
    left = zeros(shape)
    shape[axis] = after
    return lib.concatenate([left, x, zeros(shape)], axis)


def convolution(x, weight, bias, stride, padding):
    if lib is not numpy:
        functional = lib.nn.functional
        function = (functional.conv1d, functional.conv2d, functional.conv3d)[x.ndim - 3]
        return function(x, weight, bias, stride, padding)
    axes = tuple(range(2, x.ndim))
    for axis in axes:
        x = padded(x, axis, padding[axis - 2], padding[axis - 2])
    windows = numpy.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axes)
    windows = windows[(slice(None), slice(None), *(slice(None, None, step) for step in stride))]
    kernel = tuple(axis + len(axes) for axis in axes)
    found = numpy.tensordot(windows, weight, ((1, *kernel), (1, *axes)))
    return numpy.moveaxis(found + bias, -1, 1)


def transposed_convolution(x, weight, bias, stride, padding, more):
    if lib is not numpy:
        functional = lib.nn.functional
        name = f"conv_transpose{x.ndim - 2}d"
        return getattr(functional, name)(x, weight, bias, stride, padding, more)
    # A convolution of x with zeros between its entries, the kernel turned round.
    axes = tuple(range(2, x.ndim))
    spread = zeros([*x.shape[:2], *((x.shape[a] - 1) * stride[a - 2] + 1 for a in axes)])
    spread[(slice(None), slice(None), *(slice(None, None, step) for step in stride))] = x
    for axis in axes:
        around = weight.shape[axis] - 1 - padding[axis - 2]
        spread = padded(spread, axis, around, around + more[axis - 2])
    turned = numpy.flip(numpy.swapaxes(weight, 0, 1), axes)
    return convolution(spread, turned, bias, [1] * len(axes), [0] * len(axes))


def sigmoid(x):
    return 1 / (1 + lib.exp(-x))


def softmax(x, axis=-1):
    exponentials = lib.exp(x - lib.moveaxis(lib.amax(x, axis)[None], 0, axis))
    return exponentials / lib.moveaxis(exponentials.sum(axis)[None], 0, axis)


def gelu(x):
    erf = lib.erf if lib is not numpy else numpy.vectorize(math.erf)
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


ACTIVATIONS = {
    "relu": lambda x: x * (x > 0),
    "tanh": lib.tanh,
    "elu": lambda x: lib.where(x > 0, x, lib.expm1(x * (x < 0))),
    "gelu": gelu,
    "silu": lambda x: x * sigmoid(x),
}


def activation(step, tensors, x, c):
    return ACTIVATIONS[step["function"]](x)


def linear(step, tensors, x, c):
    expect(tensors["weight"].shape == (step["outputs"], step["inputs"]), "shape of a weight")
    found = x @ lib.swapaxes(tensors["weight"], 0, 1)
    return found + tensors["bias"] if "bias" in tensors else found


def layer_norm(step, tensors, x, c):
    centred = x - x.mean(-1)[..., None]
    deviation = ((centred**2).mean(-1)[..., None] + step["epsilon"]) ** 0.5
    return centred / deviation * tensors["weight"] + tensors["bias"]


def part(tensors, name):
    begin = name + "."
    return {key[len(begin) :]: tensors[key] for key in tensors if key.startswith(begin)}


def residual_block(step, tensors, x, c):
    def half(name, x):
        return convolve(step, part(tensors, name), ACTIVATIONS[step["activation"]](x), c)

    return x + half("1", half("0", x))


def convolve(step, tensors, x, c):
    expect(list(tensors["weight"].shape[2:]) == step["kernel"], "kernel of a convolution")
    return convolution(x, tensors["weight"], tensors["bias"], step["stride"], step["padding"])


def convolve_back(step, tensors, x, c):
    sizes = step["stride"], step["padding"], step["output_padding"]
    return transposed_convolution(x, tensors["weight"], tensors["bias"], *sizes)


def append_condition(step, tensors, x, c):
    axis, shape = step["axis"], list(x.shape)
    shape[axis] = step["entries"]
    entries = c.reshape([len(c)] + [-1 if other == axis else 1 for other in range(1, x.ndim)])
    return lib.concatenate([x, lib.broadcast_to(entries, tuple(shape))], axis)


def cut_into_patches(step, tensors, x, c):
    patch, axes, split = step["patch"], range(2, x.ndim), list(x.shape[:2])
    for axis in axes:
        x = padded(x, axis, 0, -x.shape[axis] % patch)
        split += [x.shape[axis] // patch, patch]
    return lib.moveaxis(x.reshape(split), [2 * a - 2 for a in axes], [a - 1 for a in axes])


def join_patches(step, tensors, x, c):
    patch, (channels, *sides) = step["patch"], step["output"]
    counts = [-(-side // patch) for side in sides]
    x = x.reshape([len(x), *counts, channels, *[patch] * len(sides)])
    axes = range(2, 2 + len(sides))
    x = lib.moveaxis(x, [a - 1 for a in axes], [2 * a - 2 for a in axes])
    x = x.reshape([len(x), channels, *(count * patch for count in counts)])
    return x[(slice(None), slice(None), *(slice(side) for side in sides))]


def transformer_layer(step, tensors, x, c):
    heads, (batch, tokens, width) = step["heads"], x.shape

    def through(layer, x):
        outputs, inputs = tensors[layer + ".weight"].shape
        return linear({"outputs": outputs, "inputs": inputs}, part(tensors, layer), x, c)

    qkv = through("in_proj", layer_norm(step, part(tensors, "norm1"), x, c))
    qkv = lib.moveaxis(qkv.reshape([batch, tokens, 3, heads, width // heads]), [2, 3], [0, 2])
    scores = qkv[0] @ lib.swapaxes(qkv[1], 2, 3) / math.sqrt(width // heads)
    values = lib.moveaxis(softmax(scores) @ qkv[2], 1, 2).reshape([batch, tokens, width])
    x = x + through("out_proj", values)
    hidden = through("linear1", layer_norm(step, part(tensors, "norm2"), x, c))
    return x + through("linear2", ACTIVATIONS[step["activation"]](hidden))


def masked_convolution(step, tensors, x, c):
    rows = x.shape[2]
    x = padded(x, 2, -step["rows"][0], 0)
    x = padded(x, 3, -step["columns"][0], step["columns"][1])
    weight = tensors["weight"] * tensors["mask"] if step["masked"] else tensors["weight"]
    return convolution(x, weight, tensors["bias"], [1, 1], [0, 0])[:, :, :rows]


def gated_layer(step, tensors, x, c):
    def through(name, x):
        return masked_convolution(step[name], part(tensors, name), x, c)

    def gate(x):
        half = x.shape[1] // 2
        return lib.tanh(x[:, :half]) * sigmoid(x[:, half:])

    vertical, horizontal = x if isinstance(x, tuple) else (x, x)
    above = through("vertical", vertical)
    if step["condition"]:
        above = above + (c @ lib.swapaxes(tensors["condition.weight"], 0, 1))[:, :, None, None]
    mixed = through("mix", gate(through("horizontal", horizontal) + through("link", above)))
    return gate(above), mixed + horizontal if step["residual"] else mixed


STEPS = {
    "activation": activation,
    "add_positions": lambda step, tensors, x, c: x + tensors["weight"],
    "append_condition": append_condition,
    "append_ones": lambda step, tensors, x, c: lib.concatenate([x, x[:, :1] * 0 + 1], 1),
    "convolution": convolve,
    "cut_into_patches": cut_into_patches,
    "gated_layer": gated_layer,
    "join_patches": join_patches,
    "keep_horizontal": lambda step, tensors, x, c: x[1],
    "layer_norm": layer_norm,
    "linear": linear,
    "masked_convolution": masked_convolution,
    "mean_of_tokens": lambda step, tensors, x, c: x.mean(1),
    "reshape": lambda step, tensors, x, c: x,
    "residual_block": residual_block,
    "transformer_layer": transformer_layer,
    "transposed_convolution": convolve_back,
}


def compute(network, tensors, x, c=None):
    x = x.reshape([len(x), *network["input"]])
    for step in network["steps"]:
        for name, shape in step.get("tensors", {}).items():
            expect(list(tensors[name].shape) == shape, f"shape of {name}")
        after = STEPS[step["type"]](step, part(tensors, step.get("name", "")), x, c)
        if step["type"] == "gated_layer":
            x = after
            continue
        x = after.reshape([len(after), *step["output"]])
    return x.reshape([len(x), *network["output"]])


# --- The model around its networks.


class Model:
    def __init__(self, folder):
        from safetensors.numpy import load_file

        self.about = json.loads((folder / "architecture.json").read_text())
        self.parts = self.about["parts"]
        self.tensors = {}
        for name, this in self.parts.items():
            loaded = load_file(folder / this["file"]) if this["file"] else {}
            self.tensors[name] = {key: tensor(value) for key, value in loaded.items()}

    def network(self, name, x, c):
        return compute(self.parts[name], self.tensors[name], x, c)

    def x(self, stored):
        observation = self.about["observation"]
        scale, offset = (
            numpy.broadcast_to(observation[key], stored[0].size).reshape(stored.shape[1:])
            for key in ("scale", "offset")
        )
        x = {
            "(k - offset) / scale": lambda: (stored - offset) / scale,
            "k / scale": lambda: stored / scale,
            "1 where k / scale is at least 1/2, else 0": lambda: stored / scale >= 0.5,
        }[observation["x"]]()
        if observation["stored"]["layout"] == "nhwc":
            x = numpy.moveaxis(x, -1, 1)
        return tensor(x).reshape([len(x), *observation["shape"]])

    def c(self, labels):
        conditioning = self.about["conditioning"]
        if conditioning is None:
            return None
        if "classes" in conditioning:
            return tensor(numpy.eye(conditioning["entries"])[labels])
        mean, deviation = numpy.array([conditioning["mean"], conditioning["deviation"]])
        return tensor((labels - mean) / deviation)

    def posterior_mean(self, output):
        posterior = self.parts["prior"]["posterior"]
        if posterior["kind"] == "gaussian":
            return output[:, slice(*posterior["mean"])]
        return lib.concatenate([softmax(logits) for logits in self.logits(output)], 1)

    def logits(self, output):
        counts = self.parts["prior"]["counts"]
        ends = numpy.cumsum([0] + counts)
        return [output[:, begin:end] for begin, end in zip(ends, ends[1:])]

    def likelihood_mean(self, output):
        likelihood = self.parts["likelihood"]
        if likelihood["kind"] == "bernoulli":
            return sigmoid(output[:, 0])
        if likelihood["kind"] == "categorical":
            levels = tensor(numpy.arange(likelihood["levels"]) / likelihood["levels"])
            return (lib.moveaxis(softmax(output, 1), 1, -1) * levels).sum(-1)
        return output[:, 0]

    def log_density(self, x, output):
        """log p(x | z) of each sample, in nats, of the file's values."""
        likelihood = self.parts["likelihood"]
        if likelihood["kind"] == "bernoulli":
            logit = output[:, 0]
            log_p = x * logit - lib.log1p(lib.exp(-abs(logit))) - logit * (logit > 0)
        elif likelihood["kind"] == "categorical":
            k = lib.round(x * likelihood["levels"])[:, None]
            levels = tensor(numpy.arange(likelihood["levels"])).reshape([-1] + [1] * (x.ndim - 1))
            log_p = (lib.log(softmax(output, 1)) * (levels == k)).sum(1)
        else:
            sigma = likelihood["sigma"]
            if isinstance(sigma, str):
                log_sigma = self.tensors["likelihood"]["log_sigma"]
                sigma = (lib.exp(2 * log_sigma) + likelihood["floor"] ** 2) ** 0.5
                if sigma.ndim:
                    sigma = sigma.reshape(x.shape[1:])
            error = (x - output[:, 0]) / sigma
            log_p = -0.5 * error**2 - lib.log(sigma + 0 * error) - 0.5 * math.log(2 * math.pi)
        log_p = log_p.reshape([len(x), -1]).sum(1)
        if self.about["observation"]["values"] == "standardised":
            log_p -= numpy.log(self.about["observation"]["scale"]).sum()
        return log_p

    def exact_log_likelihood(self, x, c):
        """log p(x | c) where z is one of few vectors."""
        counts = self.parts["prior"]["counts"]
        terms = []
        for index in numpy.ndindex(*counts):
            z = numpy.concatenate([numpy.eye(count)[k] for count, k in zip(counts, index)])
            output = self.network("decoder", tensor(numpy.tile(z, (len(x), 1))), c)
            terms.append(self.log_density(x, output) - math.log(numpy.prod(counts)))
        largest = lib.amax(lib.stack(terms), 0)
        return largest + lib.log(sum(lib.exp(term - largest) for term in terms))

    def display(self, x):
        observation = self.about["observation"]
        if "levels" in observation:
            x = x * observation["levels"] / (observation["levels"] - 1)
        if observation["values"] == "standardised":
            scale, offset = (numpy.array(observation[key]) for key in ("scale", "offset"))
            low, high = (offset - 2 * scale).min(), (offset + 2 * scale).max()
            stored = numpy.array(x).reshape(len(x), -1)
            if observation["stored"]["layout"] == "nhwc":
                stored = numpy.moveaxis(numpy.array(x), 1, -1).reshape(len(x), -1)
            shown = ((stored * scale.ravel() + offset.ravel()) - low) / (high - low)
            shape = [len(x), *observation["stored"]["shape"]]
            shown = shown.reshape(shape)
            x = numpy.moveaxis(shown, -1, 1) if observation["stored"]["layout"] == "nhwc" else shown
        return numpy.clip(numpy.array(x), 0, 1).reshape([len(x), *observation["shape"]])


# --- What Elbow says of the same.


def read_png(path):
    data = path.read_bytes()
    compressed, at = b"", 8
    while at < len(data):
        (size,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", data[at + 8 : at + 18])
        compressed += data[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    channels = {0: 1, 2: 3}[colour]
    lines = zlib.decompress(compressed)
    size = width * channels
    above, picture = [0] * size, []
    for begin in range(0, len(lines), size + 1):
        kind, *line = lines[begin : begin + size + 1]
        for i in range(size) if kind else ():
            left, corner = (line[i - channels], above[i - channels]) if i >= channels else (0, 0)
            line[i] = (line[i] + predicted(kind, left, above[i], corner)) & 255
        picture.append(line)
        above = line
    return numpy.reshape(picture, (height, width, channels))


def predicted(kind, left, up, corner):
    """A byte of a PNG's line, by the line's kind of filter."""
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    errors = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    return (left, up, corner)[errors.index(min(errors))]


def reconstructions(path, count, shape):
    """Of `elbow reconstruct`: ten in a row, below their originals, with 2 pixels between them."""
    picture = read_png(path)
    channels, height, width = shape
    scale = (picture.shape[1] - 22) // (10 * width)  # of each pixel, a square
    cells = []
    for i in range(count):
        top = 2 + (2 * (i // 10) + 1) * (height * scale + 2)
        left = 2 + i % 10 * (width * scale + 2)
        cell = picture[top : top + height * scale : scale, left : left + width * scale : scale]
        cells.append(numpy.moveaxis(cell, -1, 0))
    return numpy.array(cells)


def same(found, expected, what):
    found, expected = numpy.array(found), numpy.array(expected)
    error = abs(found - expected).max()
    expect(error <= 1e-5 * (1 + abs(expected).max()), f"{what} is off by {error}")
    print(f"  {what}: off by {error / (1 + abs(expected).max()):.1e} at most")


def check_figures(model, x, c, output, figures):
    log_likelihood = figures["log_likelihood" if c is None else "log_likelihood_given_c"]
    if model.about["kind"] == "pixelcnn":
        procedure = model.about["procedure"]
        given = lib.swapaxes(x, 2, 3) if procedure["transposed"] else x
        output = model.network("network", procedure["scale"] * given - 1, c)
        output = lib.swapaxes(output, 3, 4) if procedure["transposed"] else output
        return same(model.log_density(x, output), log_likelihood, "log p(x)")
    if model.parts["prior"]["kind"] == "categorical":
        same(model.exact_log_likelihood(x, c), log_likelihood, "log p(x)")
        if output is None:
            return
        shares = [softmax(logits) for logits in model.logits(output)]
        kl = sum((share * lib.log(share * share.shape[1])).sum(1) for share in shares)
    else:
        mean, log_variance = (output[:, slice(*model.parts["prior"]["posterior"][key])]
                              for key in ("mean", "log_variance"))
        kl = 0.5 * (mean**2 + lib.expm1(log_variance) - log_variance).sum(1)
    same(kl, figures["kl"], "KL")


def check_lord(model, x, figures):
    """Content and condition, as the encoders read them."""
    z = model.network("content_encoder", x, None)
    variance = model.about["procedure"]["noise"] ** 2
    same(0.5 * (z**2 + variance - 1 - math.log(variance)).sum(1), figures["kl"], "KL")
    return z, model.network("class_encoder", x, None)


def check_run(folder, data, images, labels, figures, picture):
    import h5py

    model = Model(pathlib.Path(folder))
    with h5py.File(data) as file:
        x = model.x(file[images][:])
        c = model.c(file[labels][:]) if labels != "-" else None
    with h5py.File(figures) as file:
        columns = {name: file[name][:] for name in file}
    if model.about["kind"] == "lord":
        z, c = check_lord(model, x, columns)
    else:
        output = model.network("encoder", x, c) if "encoder" in model.parts else None
        check_figures(model, x, c, output, columns)
        z = None if output is None or picture == "-" else model.posterior_mean(output)
    if picture == "-":
        return
    mean = model.likelihood_mean(model.network("decoder", z, c))
    shown = 255 * model.display(mean)
    pixels = reconstructions(pathlib.Path(picture), 20, model.about["observation"]["shape"])
    error = abs(shown[:20] - pixels).max()
    expect(error <= 0.5 + 1e-3, f"a pixel is off by {error}")
    expect(pixels.std() > 1, "the picture shows nothing")
    print(f"  pixels: off by {error:.4f} of 255 at most, rounding included")


def numbers(shape, ordinal):
    """As in tests/reference/networks.py."""
    count = int(numpy.prod(shape))
    return tensor(0.3 * numpy.sin(1 + 0.7 * numpy.arange(count) + ordinal).reshape(shape))


def check_reference(folder):
    expected = json.loads((pathlib.Path(folder) / "networks.json").read_text())
    networks = json.loads((pathlib.Path(folder) / "architectures.json").read_text())
    for name, network in networks.items():
        shapes = {}
        for step in network["steps"]:
            shapes.update(step.get("tensors", {}))
        tensors = {key: numbers(shape, i) for i, (key, shape) in enumerate(shapes.items())}
        x, c = numbers([2, *network["input"]], 0), numbers([2, 2], 1)
        found = compute(network, tensors, x, c).reshape([2, -1])
        error = abs(numpy.array(found) - numpy.array(expected[name])).max()
        expect(error < 1e-11, f"{name} is off by {error}")


{"run": check_run, "reference": check_reference}[sys.argv[1]](*sys.argv[2:])
print(f"{checks} expectations met, with {lib.__name__}")
