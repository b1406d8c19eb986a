#!/usr/bin/env python3
"""A hundred steps of a small VAE, written independently of Elbow: PyTorch, torch.distributions, and
a generator of keyed noise in numpy. Elbow has to reproduce the losses.

    python3 tests/reference/vae_training.py            # writes vae_training.json beside this file
    python3 tests/reference/vae_training.py --check    # compares with the file that is there

Needs PyTorch and numpy, which neither Elbow nor its tests do. The losses, mean negative ELBO per
sample in nats, are computed in double.
"""

import argparse
import json
import math
import pathlib

import numpy as np
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

SEED = 20240607
COUNT = 256  # samples
SIDE = 8  # images of SIDE x SIDE
LATENT = 4
HIDDEN = 32
BATCH = 32
STEPS = 100
RATE = 1e-3
SIGMA_FLOOR = 1e-4
INITIAL_SIGMA = 0.1

INITIALISATION, DITHER, BINARISATION, POSTERIOR = 1, 4, 5, 6  # purposes of noise


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011). counter: four uint32 arrays, key: two integers."""
    c = [np.asarray(word, dtype=np.uint64) for word in np.broadcast_arrays(*counter)]
    k0, k1 = key
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * c[0]
        product1 = np.uint64(0xCD9E8D57) * c[2]
        c = [
            (product1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0),
            product1 & low,
            (product0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1),
            product0 & low,
        ]
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def check_philox():
    """The first known answer that comes with Random123."""
    words = [int(word) for word in philox([0, 0, 0, 0], (0, 0))]
    assert words == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], words


class Noise:
    """Numbers that are a function of (seed, purpose, stage, epoch, index, draw, element)."""

    def __init__(self, purpose, epoch=0, stage=0):
        derived = philox([purpose, stage, epoch, 0x656C626F], (SEED & 0xFFFFFFFF, SEED >> 32))
        self.key = (int(derived[0]), int(derived[1]))

    def words(self, index, draw, count):
        blocks = np.arange((count + 3) // 4)
        four = philox([blocks, draw, index & 0xFFFFFFFF, index >> 32], self.key)
        return np.stack(four, axis=1).reshape(-1)[:count]

    def uniform(self, index, count, draw=0):
        return (self.words(index, draw, count).astype(np.float64) + 0.5) * 2.0**-32

    def uniform16(self, index, count, draw=0):
        words = self.words(index, draw, (count + 1) // 2)
        halves = np.stack([words & np.uint64(0xFFFF), words >> np.uint64(16)], axis=1)
        return halves.reshape(-1)[:count].astype(np.float64) * 2.0**-16

    def normal(self, index, count, draw=0):
        pairs = self.uniform(index, 2 * ((count + 1) // 2), draw).reshape(-1, 2)
        radius = np.sqrt(-2.0 * np.log(pairs[:, 0]))
        angle = 2.0 * np.pi * pairs[:, 1]
        both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return both.reshape(-1)[:count]


def image(index):
    """8-bit image of a sample: a triangular wave, in integers so that nothing is rounded."""
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    phase = 17 * index + 8 * row * (3 + index % 4) + 8 * column * (2 + index % 3)
    phase = phase % 512
    return np.where(phase < 256, phase, 511 - phase).reshape(-1)


def order():
    """Sample indices of each step: every sample once in each epoch, in a different order each."""
    steps_per_epoch = COUNT // BATCH
    steps = []
    for step in range(STEPS):
        epoch, position = step // steps_per_epoch, BATCH * (step % steps_per_epoch)
        steps.append([(37 * p + 11 * epoch) % COUNT for p in range(position, position + BATCH)])
    return steps


def observe(likelihood, indices, epoch):
    """x [B, D]: dithered grey values, or binarised pixels."""
    rows = []
    for index in indices:
        k = image(index)
        if likelihood == "gaussian":
            rows.append((k + Noise(DITHER, epoch).uniform16(index, k.size)) / 256)
        else:
            rows.append(Noise(BINARISATION, epoch).uniform(index, k.size) < k / 255)
    return torch.tensor(np.array(rows, dtype=np.float64))


class Vae(nn.Module):
    def __init__(self, likelihood):
        super().__init__()
        pixels = SIDE * SIDE
        self.encoder = nn.Sequential(
            nn.Linear(pixels, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, pixels))
        self.log_sigma = None
        if likelihood == "gaussian":
            start = 0.5 * math.log(INITIAL_SIGMA**2 - SIGMA_FLOOR**2)
            self.log_sigma = nn.Parameter(torch.tensor(start))
        self.initialise()
        self.double()

    def initialise(self):
        """PyTorch's default distribution, rounded to float, from keyed noise."""
        layers = [self.encoder[0], self.encoder[2], self.decoder[0], self.decoder[2]]
        noise = Noise(INITIALISATION)
        with torch.no_grad():
            for i, layer in enumerate(layers):
                bound = 1 / math.sqrt(layer.in_features)
                for ordinal, parameter in ((2 * i, layer.weight), (2 * i + 1, layer.bias)):
                    values = (2 * noise.uniform(ordinal, parameter.numel()) - 1) * bound
                    parameter.copy_(torch.tensor(values).reshape(parameter.shape))

    def likelihood(self, output):
        if self.log_sigma is None:
            return Independent(Bernoulli(logits=output), 1)
        sigma = torch.sqrt(torch.exp(2 * self.log_sigma) + SIGMA_FLOOR**2)
        return Independent(Normal(output, sigma), 1)

    def elbo(self, x, noise):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        q = Independent(Normal(mean, torch.exp(0.5 * log_variance)), 1)
        prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
        z = mean + q.base_dist.scale * noise
        return self.likelihood(self.decoder(z)).log_prob(x) - kl_divergence(q, prior)


def train(likelihood):
    model = Vae(likelihood)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for step, indices in enumerate(order()):
        epoch = step // (COUNT // BATCH)
        posterior = Noise(POSTERIOR, epoch)
        noise = torch.tensor(np.array([posterior.normal(i, LATENT) for i in indices]))
        loss = -model.elbo(observe(likelihood, indices, epoch), noise).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def reference():
    check_philox()
    return {
        "made_by": "tests/reference/vae_training.py, PyTorch " + torch.__version__.split("+")[0],
        "seed": SEED, "count": COUNT, "side": SIDE, "latent": LATENT, "hidden": HIDDEN,
        "batch": BATCH, "rate": RATE, "sigma_floor": SIGMA_FLOOR,
        "image_17": image(17).tolist(),
        "noise": {
            "normal": Noise(POSTERIOR, epoch=3).normal(5, 5, draw=2).tolist(),
            "uniform": Noise(BINARISATION, epoch=3).uniform(2**33 + 5, 5).tolist(),
            "uniform16": Noise(DITHER, epoch=3).uniform16(5, 11).tolist(),
        },
        "order": order(),
        "losses": {name: train(name) for name in ("gaussian", "bernoulli")},
    }  # fmt: skip


def to_text(values):
    """JSON with one line a key, and one a step."""
    lines = []
    for key, value in values.items():
        text = json.dumps(value)
        if key == "order":
            text = "[\n  " + ",\n  ".join(json.dumps(step) for step in value) + "]"
        lines.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the stored losses")
    path = pathlib.Path(__file__).with_suffix(".json")
    values = reference()
    if not parser.parse_args().check:
        path.write_text(to_text(values))
        return
    stored = json.loads(path.read_text())
    for name, losses in values["losses"].items():
        worst = max(abs(a / b - 1) for a, b in zip(losses, stored["losses"][name]))
        print(f"{name}: {len(losses)} losses, largest relative difference {worst:.1e}")
        assert worst < 1e-9, name


if __name__ == "__main__":
    main()
