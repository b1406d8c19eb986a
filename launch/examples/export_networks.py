#!/usr/bin/env python3
"""Networks of your own for elbow: an encoder and a decoder written in PyTorch, as TorchScript files.

    python3 export_networks.py --latent 32
    elbow train --config fashion-vae.toml --run runs/mine --model.network torchscript \\
        --model.encoder encoder.pt --model.decoder decoder.pt

Needs PyTorch, which elbow itself does not. Change the two classes as you like; what elbow asks of
them is checked when it reads the files:

- encoder: x [B, channels, rows, columns] -> (mean [B, latent], log_variance [B, latent]);
  decoder: z [B, latent] -> [B, parameters, channels, rows, columns], `parameters` numbers for each
  variable of x, as many as the likelihood has (1 for gaussian, laplace and bernoulli). A model that
  is conditioned gives both a second argument, c [B, condition].
- A row of the result depends on its own row alone: no BatchNorm (GroupNorm and LayerNorm are fine),
  nothing that is computed over the batch.
- No randomness: no dropout, no torch.rand. The noise of a VAE is elbow's part.
- Parameters in float, not frozen. Training begins with the values in the file.

A run keeps a hash of each file, not the file: keep it yourself, you will be asked for it again.
"""

import argparse

import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, channels: int, side: int, latent: int, condition: int):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels + condition, 32, 4, stride=2, padding=1),
            nn.GroupNorm(4, 32),
            nn.SiLU(),
            nn.Conv2d(32, 64, 4, stride=2, padding=1),
            nn.GroupNorm(8, 64),
            nn.SiLU(),
            nn.Flatten(),
        )
        entries = 64 * (side // 4) ** 2
        self.mean = nn.Linear(entries, latent)
        self.log_variance = nn.Linear(entries, latent)

    def forward(self, x):
        h = self.features(x)
        return self.mean(h), self.log_variance(h)


class Decoder(nn.Module):
    def __init__(self, channels: int, side: int, latent: int, condition: int, parameters: int):
        super().__init__()
        self.shape = [parameters, channels, side, side]
        self.begin = nn.Linear(latent + condition, 64 * (side // 4) ** 2)
        self.image = nn.Sequential(
            nn.Unflatten(1, (64, side // 4, side // 4)),
            nn.SiLU(),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
            nn.GroupNorm(4, 32),
            nn.SiLU(),
            nn.ConvTranspose2d(32, parameters * channels, 4, stride=2, padding=1),
        )

    def forward(self, z):
        return self.image(self.begin(z)).view([z.size(0)] + self.shape)


class ConditionedEncoder(Encoder):
    """Each entry of c is a channel of one value."""

    def forward(self, x, c):
        channels = c[:, :, None, None].expand(-1, -1, x.size(2), x.size(3))
        h = self.features(torch.cat([x, channels], 1))
        return self.mean(h), self.log_variance(h)


class ConditionedDecoder(Decoder):
    def forward(self, z, c):
        return self.image(self.begin(torch.cat([z, c], 1))).view([z.size(0)] + self.shape)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--latent", type=int, default=20, help="model.latent")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--side", type=int, default=28, help="of an image, a multiple of 4")
    parser.add_argument("--condition", type=int, default=0, help="entries of c, 10 for ten classes")
    parser.add_argument("--parameters", type=int, default=1, help="of the likelihood, a variable")
    parser.add_argument("--seed", type=int, default=1, help="of the initial parameters")
    parser.add_argument("--encoder", default="encoder.pt", help="the file to write")
    parser.add_argument("--decoder", default="decoder.pt", help="the file to write")
    given = parser.parse_args()
    if given.side % 4 != 0:
        parser.error(f"--side {given.side}: these networks halve it twice, so it must divide by 4")

    torch.manual_seed(given.seed)
    sizes = (given.channels, given.side, given.latent, given.condition)
    encoder = (ConditionedEncoder if given.condition else Encoder)(*sizes)
    decoder = (ConditionedDecoder if given.condition else Decoder)(*sizes, given.parameters)
    torch.jit.script(encoder).save(given.encoder)
    torch.jit.script(decoder).save(given.decoder)


if __name__ == "__main__":
    main()
