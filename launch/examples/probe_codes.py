#!/usr/bin/env python3
"""What the codes of synthetic cars hold, and what a swap has made of them.

  probe_codes.py factors CODES.h5 CARS.h5   active units; linear probes of the angles; classes told from codes
  probe_codes.py swaps SWAPPED.h5 CARS.h5   mean squared error of swapped pictures against the rendered truth

CODES.h5 is what 'elbow encode' wrote of all of CARS.h5:/cars/images, SWAPPED.h5 what 'elbow swap' did. Half of the
pictures, chosen with a fixed seed, teach the probes; the others test them. Needs numpy and h5py alone.
"""
import sys

import h5py
import numpy as np

ACTIVE = 0.01  # variance of a latent's mean over the data, from Burda et al. 2016


def halves(count):
    order = np.random.default_rng(0).permutation(count)
    return order[: count // 2], order[count // 2 :]


def linear_r2(codes, target):
    """Share of the variance that a linear function of the codes explains, on pictures it was not fitted to."""
    teach, test = halves(len(codes))
    inputs = np.column_stack([codes, np.ones(len(codes))])
    weights = np.linalg.lstsq(inputs[teach], target[teach], rcond=None)[0]
    residual = target[test] - inputs[test] @ weights
    return 1 - np.mean(residual**2) / np.var(target[test])


def class_accuracy(codes, classes, hidden=256, steps=2000, batch=512, rate=2e-3):
    """Share of test pictures whose class a perceptron with one hidden layer tells from the code; Adam."""
    teach, test = halves(len(codes))
    inputs = (codes - codes[teach].mean(0)) / (codes[teach].std(0) + 1e-8)
    draw = np.random.default_rng(1)
    count = classes.max() + 1
    weights = [draw.normal(0, (2 / codes.shape[1]) ** 0.5, (codes.shape[1], hidden)), np.zeros(hidden),
               draw.normal(0, hidden**-0.5, (hidden, count)), np.zeros(count)]
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]

    def forward(x):
        features = np.maximum(x @ weights[0] + weights[1], 0)
        return features, features @ weights[2] + weights[3]

    for step in range(1, steps + 1):
        some = draw.choice(teach, batch)
        features, logits = forward(inputs[some])
        error = np.exp(logits - logits.max(1, keepdims=True))
        error /= error.sum(1, keepdims=True)
        error[np.arange(batch), classes[some]] -= 1
        error /= batch
        back = (error @ weights[2].T) * (features > 0)
        for i, gradient in enumerate([inputs[some].T @ back, back.sum(0), features.T @ error, error.sum(0)]):
            first[i] += 0.1 * (gradient - first[i])
            second[i] += 0.001 * (gradient**2 - second[i])
            scale = np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8
            weights[i] -= rate * (1 - step / steps) * first[i] / (1 - 0.9**step) / scale
    return np.mean(forward(inputs[test])[1].argmax(1) == classes[test])


def factors(codes_file, cars_file):
    with h5py.File(codes_file) as file:
        codes = file["mean"][:].astype(np.float64)
    with h5py.File(cars_file) as file:
        model, azimuth, elevation = file["cars/factors"][:].astype(np.float64).T
    variance = codes.var(0)
    print(f"active units {np.sum(variance > ACTIVE)} of {len(variance)}: variances {np.sort(variance)[::-1].round(3)}")
    angle = np.radians(azimuth)
    for name, target in [("sin azimuth", np.sin(angle)), ("cos azimuth", np.cos(angle)), ("elevation", elevation)]:
        print(f"{name:12} R^2 {linear_r2(codes, target):.3f}")
    classes = model.astype(int)
    if classes.max() > 0:
        chance = 1 / (classes.max() + 1)
        accuracy = class_accuracy(codes, classes)
        print(f"class        {accuracy:.4f} of the pictures, {accuracy / chance:.1f} times chance")


def swaps(swapped_file, cars_file):
    with h5py.File(swapped_file) as file:
        images, content, kind = file["images"][:], file["content"][:], file["class"][:]
    with h5py.File(cars_file) as file:
        labels, cars = file["cars/labels"][:], file["cars/images"][:].astype(np.float64) / 256
    images = images.astype(np.float64)
    if images.max() > 1.5:
        images /= 256
    if images.shape[1] == cars.shape[3] and images.shape[3] != cars.shape[3]:
        images = images.transpose(0, 2, 3, 1)
    place = {tuple(label): i for i, label in enumerate(labels)}
    truth = np.array([place[(labels[k][0], *labels[c][1:])] for c, k in zip(content, kind)])
    other = labels[content][:, 0] != labels[kind][:, 0]

    def error(candidate):
        return np.mean((images[other] - cars[candidate[other]]) ** 2)

    print(f"{other.sum()} swaps between different cars; mean squared error a value, x in [0, 1):")
    print(f"  against the rendered truth            {error(truth):.5f}")
    print(f"  against the picture the content is of {error(content):.5f}")
    print(f"  against the picture the class is of   {error(kind):.5f}")
    print(f"  of the mean picture for the truth     {np.mean((cars.mean(0) - cars[truth[other]]) ** 2):.5f}")


if __name__ == "__main__":
    commands = {"factors": factors, "swaps": swaps}
    if len(sys.argv) != 4 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
