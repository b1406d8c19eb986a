#!/usr/bin/env python3
"""Outputs of small residual and transformer networks, stated with PyTorch's own modules. Elbow has
to reproduce them from the same parameters.

    python3 tests/reference/networks.py            # writes networks.json beside this file
    python3 tests/reference/networks.py --check    # compares with the file that is there

Needs PyTorch and numpy, which neither Elbow nor its tests do. Everything is computed in double.
"""

import argparse
import json
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

FILE = pathlib.Path(__file__).with_name("networks.json")


def numbers(shape, ordinal):
    """Numbers that are easy to make again: 0.3 sin(1 + 0.7 i + ordinal)."""
    count = int(np.prod(shape))
    values = 0.3 * np.sin(1 + 0.7 * np.arange(count) + ordinal)
    return torch.from_numpy(values.reshape(shape))


def filled(tensors):
    """Parameters in the order in which Elbow registers them."""
    with torch.no_grad():
        for ordinal, tensor in enumerate(tensors):
            tensor.copy_(numbers(tuple(tensor.shape), ordinal))


class Block(nn.Module):
    def __init__(self, channels, convolution):
        super().__init__()
        self.a = convolution(channels, channels, 3, padding="same")
        self.b = convolution(channels, channels, 3, padding="same")

    def forward(self, x):
        return x + self.b(F.silu(self.a(F.silu(x))))


def residual_encoder(convolution, inputs, entries):
    """widths [3, 4], blocks 1, 6 outputs; `entries` are left behind the last stage."""
    return nn.Sequential(
        convolution(inputs, 3, 4, stride=2, padding=1),
        Block(3, convolution),
        convolution(3, 4, 4, stride=2, padding=1),
        Block(4, convolution),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(4 * entries, 6),
    )


def residual_decoder():
    """Of two latents and two conditions to [2, 1, 7, 5]: stages 7x5, 3x2, 1x1."""
    return nn.Sequential(
        nn.Linear(4, 4),
        nn.Unflatten(1, (4, 1, 1)),
        Block(4, nn.Conv2d),
        nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1, output_padding=(1, 0)),
        Block(3, nn.Conv2d),
        nn.SiLU(),
        nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1, output_padding=(1, 1)),
        nn.Unflatten(1, (2, 1)),
    )


def layers(count, width, heads):
    made = nn.ModuleList(
        nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation=F.silu, batch_first=True, norm_first=True
        )
        for _ in range(count)
    )
    for layer in made:
        nn.init.zeros_(layer.self_attn.in_proj_bias)
    return made


def layer_parameters(layer):
    """Elbow's have no bias of queries, keys and values."""
    attention = layer.self_attn
    parts = [layer.norm1.weight, layer.norm1.bias, attention.in_proj_weight]
    parts += [attention.out_proj.weight, attention.out_proj.bias]
    for part in (layer.norm2, layer.linear1, layer.linear2):
        parts += [part.weight, part.bias]
    return parts


def transformer_encoder(x, c):
    """Patches of 3 from [2, 7, 5], so of 3 x 2, filled with zeros; width 8, 2 heads, 2 layers."""
    patches, norm, outputs = nn.Linear(2 * 9 + 2, 8), nn.LayerNorm(8), nn.Linear(8, 6)
    positions, stack = torch.empty(6, 8), layers(2, 8, 2)
    tensors = [patches.weight, patches.bias, positions]
    for layer in stack:
        tensors += layer_parameters(layer)
    filled(tensors + [norm.weight, norm.bias, outputs.weight, outputs.bias])
    padded = F.pad(x, (0, 1, 0, 2))
    tokens = F.unfold(padded, kernel_size=3, stride=3).transpose(1, 2)
    tokens = torch.cat([tokens, c[:, None].expand(-1, 6, -1)], 2)
    tokens = patches(tokens) + positions
    for layer in stack:
        tokens = layer(tokens)
    return outputs(norm(tokens).mean(1))


def transformer_decoder(z, c):
    """To [2, 1, 7, 5], the same way round."""
    tokens, norm, patches = nn.Linear(2 + 2, 6 * 8), nn.LayerNorm(8), nn.Linear(8, 2 * 9)
    stack = layers(2, 8, 2)
    tensors = [tokens.weight, tokens.bias]
    for layer in stack:
        tensors += layer_parameters(layer)
    filled(tensors + [norm.weight, norm.bias, patches.weight, patches.bias])
    value = tokens(torch.cat([z, c], 1)).view(-1, 6, 8)
    for layer in stack:
        value = layer(value)
    columns = patches(norm(value)).transpose(1, 2)
    image = F.fold(columns, (9, 6), kernel_size=3, stride=3)
    return image[:, :, :7, :5].unsqueeze(2)


def residual(network, *inputs):
    filled(network.parameters())
    return network(*inputs)


def results():
    torch.set_default_dtype(torch.float64)
    image, signal = numbers((2, 2, 7, 5), 0), numbers((2, 2, 9), 0)
    volume = numbers((2, 1, 5, 4, 6), 0)
    z, c = numbers((2, 2), 0), numbers((2, 2), 1)
    z_and_c = torch.cat([z, c], 1)
    c_as_channels = c[:, :, None, None].expand(-1, -1, 7, 5)
    found = {
        "residual image encoder": residual(
            residual_encoder(nn.Conv2d, 4, 1), torch.cat([image, c_as_channels], 1)
        ),
        "residual signal encoder": residual(residual_encoder(nn.Conv1d, 2, 2), signal),
        "residual volume encoder": residual(residual_encoder(nn.Conv3d, 1, 1), volume),
        "residual image decoder": residual(residual_decoder(), z_and_c),
        "transformer encoder": transformer_encoder(image, c),
        "transformer decoder": transformer_decoder(z, c),
    }
    return {name: value.detach().reshape(2, -1).tolist() for name, value in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        FILE.write_text(json.dumps(results(), indent=1) + "\n")
        return
    stored = json.loads(FILE.read_text())
    for name, values in results().items():
        np.testing.assert_allclose(values, stored[name], rtol=1e-12, atol=1e-12, err_msg=name)


if __name__ == "__main__":
    main()
