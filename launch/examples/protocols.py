#!/usr/bin/env python3
"""The protocols of iwae-1layer.toml and pythae-vae.toml in plain PyTorch, independent of Elbow.

    protocols.py data FILE.h5 BINARISED.h5
        the training images, 50,000 and 10,000 for validation, and the test images, binarised once
    protocols.py begin PROTOCOL DATA OUT.safetensors
        initial weights, for both programs
    protocols.py train PROTOCOL DATA --init-from FILE --validation DATA --epochs N --run DIR
    protocols.py evaluate PROTOCOL FILE.safetensors DATA --samples K

DATA is FILE:/path, as for Elbow, and parameters have Elbow's names: each program reads the other's.
Needs PyTorch, h5py and safetensors. docs/lecture.md, 'Published protocols', says what came out.
"""

import argparse
import json
import math
import pathlib

import h5py
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

PROTOCOLS = {
    # Burda et al. 2015: stage i = 1 ... 8 takes 3^(i - 1) epochs at the rate 1e-3 10^(-(i - 1)/7).
    "iwae-1layer": {
        "widths": [200, 200], "activation": nn.Tanh, "latent": 50, "batch": 20,
        "rate": 1e-3, "epsilon": 1e-4,
        "milestones": [1, 4, 13, 40, 121, 364, 1093], "factor": 10 ** (-1 / 7),
        "objective": "iwae", "dynamic": True, "glorot": True,
    },
    # Chadebec et al. 2022: the VAE, 500 epochs on pixels that were binarised once.
    "pythae-vae": {
        "widths": [400], "activation": nn.ReLU, "latent": 40, "batch": 100,
        "rate": 1e-4, "epsilon": 1e-8,
        "milestones": [200, 350], "factor": 10 ** (-1 / 5),
        "objective": "elbo", "dynamic": False, "glorot": False,
    },
}  # fmt: skip


def read(data):
    """Grey values of FILE:/path as probabilities [N, 784], float."""
    file, _, path = data.rpartition(":")
    with h5py.File(file) as h5:
        images = h5[path][:]
    return torch.from_numpy(images.reshape(len(images), -1)).float() / 255


def write_binarised(args):
    random = np.random.default_rng(1)
    with h5py.File(args.source) as source, h5py.File(args.output, "w") as output:
        train = source["/train/images"][:]
        test = source["/test/images"][:]
        parts = {"train": train[:50000], "validation": train[50000:], "test": test}
        for name, images in parts.items():
            white = random.random(images.shape, np.float32) < images / np.float32(255)
            output[f"/{name}/images"] = (255 * white).astype(np.uint8)


def mlp(widths, activation):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


class Model(nn.Module):
    """q(z given x) and p(x given z) of binary pixels x [B, D]; K draws of z: [K, B, latent]."""

    def __init__(self, protocol, variables):
        super().__init__()
        widths = [variables] + protocol["widths"]
        self.encoder = mlp(widths + [2 * protocol["latent"]], protocol["activation"])
        self.decoder = mlp([protocol["latent"]] + widths[::-1], protocol["activation"])

    def terms(self, x, draws):
        """log p(x given z) and log p(z)/q(z given x) of each draw [K, B], KL(q, p) [B]."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        noise = torch.randn(draws, *mean.shape)
        z = mean + torch.exp(0.5 * log_variance) * noise
        logits = self.decoder(z)
        pixels = binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
        log_ratio = 0.5 * (noise**2 + log_variance - z**2).sum(-1)
        kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(-1)
        return -pixels.sum(-1), log_ratio, kl

    def objective(self, kind, x, draws):
        log_p, log_ratio, kl = self.terms(x, draws)
        if kind == "elbo":
            return (log_p.mean(0) - kl).mean()
        return ((log_p + log_ratio).logsumexp(0) - math.log(draws)).mean()

    @torch.no_grad()
    def figures(self, images, samples, block=100):
        """ELBO and importance-sampled log p(x), nats per sample."""
        elbo, log_likelihood = 0.0, 0.0
        for x in images.split(block):
            log_w = []
            for first in range(0, samples, 50):
                log_p, log_ratio, _ = self.terms(x, min(50, samples - first))
                log_w.append((log_p + log_ratio).double())
            log_w = torch.cat(log_w)
            elbo += log_w.mean(0).sum().item()
            log_likelihood += (log_w.logsumexp(0) - math.log(samples)).sum().item()
        return {"elbo": elbo / len(images), "log_likelihood": log_likelihood / len(images)}


def begin(args):
    """PyTorch's own, or Glorot's with a decoder that begins at the mean image (Burda et al.)."""
    torch.manual_seed(args.seed)
    protocol, images = PROTOCOLS[args.protocol], read(args.data)
    model = Model(protocol, images.shape[1])
    if protocol["glorot"]:
        for name, parameter in model.named_parameters():
            # Mean and log variance are two layers in the paper.
            head = len(parameter) == 2 * protocol["latent"]
            for part in parameter.chunk(2) if head else [parameter]:
                nn.init.xavier_uniform_(part) if part.dim() == 2 else nn.init.zeros_(part)
        with torch.no_grad():
            model.decoder[-1].bias.copy_(torch.logit(images.mean(0).clamp(0.001, 0.999)))
    save_file(model.state_dict(), args.output)


def train(args):
    torch.manual_seed(args.seed)
    protocol = PROTOCOLS[args.protocol]
    images, validation = read(args.data), read(args.validation)
    model = Model(protocol, images.shape[1])
    model.load_state_dict(load_file(args.init_from))
    optimizer = torch.optim.Adam(model.parameters(), lr=protocol["rate"], eps=protocol["epsilon"])
    run, best = pathlib.Path(args.run), -math.inf
    run.mkdir(parents=True)
    for epoch in range(args.epochs):
        fallen = sum(epoch >= milestone for milestone in protocol["milestones"])
        optimizer.param_groups[0]["lr"] = protocol["rate"] * protocol["factor"] ** fallen
        for batch in torch.randperm(len(images)).split(protocol["batch"]):
            x = images[batch]
            if protocol["dynamic"]:
                x = torch.bernoulli(x)
            optimizer.zero_grad()
            (-model.objective(protocol["objective"], x, args.draws)).backward()
            optimizer.step()
        figures = {"epoch": epoch + 1, **model.figures(validation, args.samples)}
        print(json.dumps(figures), flush=True)
        with open(run / "metrics.jsonl", "a") as file:
            file.write(json.dumps(figures) + "\n")
        save_file(model.state_dict(), run / "parameters-last.safetensors")
        if figures["elbo"] > best:
            best = figures["elbo"]
            save_file(model.state_dict(), run / "parameters.safetensors")


def evaluate(args):
    torch.manual_seed(args.seed)
    images = read(args.data)
    model = Model(PROTOCOLS[args.protocol], images.shape[1])
    model.load_state_dict(load_file(args.parameters))
    print(json.dumps(model.figures(images, args.samples)))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="before the command")
    commands = parser.add_subparsers(required=True)

    def command(name, function, *positionals):
        added = commands.add_parser(name)
        added.set_defaults(function=function)
        for positional in positionals:
            added.add_argument(positional, choices=PROTOCOLS if positional == "protocol" else None)
        return added

    command("data", write_binarised, "source", "output")
    command("begin", begin, "protocol", "data", "output")
    training = command("train", train, "protocol", "data")
    for option in ("--init-from", "--validation", "--run"):
        training.add_argument(option, required=True)
    training.add_argument("--epochs", type=int, required=True)
    training.add_argument("--draws", type=int, default=1, help="of z a sample, in training")
    evaluation = command("evaluate", evaluate, "protocol", "parameters", "data")
    for either in (training, evaluation):
        either.add_argument("--samples", type=int, default=10, help="of z an image, for log p(x)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.function(args)


if __name__ == "__main__":
    main()
