#!/usr/bin/env python3
"""Draws what a protocol gave in Elbow and in PyTorch, epoch by epoch, and how far they are apart.

    protocol_curves.py OUT.png [TITLE ELBOW_RUN PYTORCH_RUN FIRST_EPOCH] ...

A column for each protocol, from its first epoch to be shown on: importance-sampled log p(x) of the
images that the runs were validated on, in nats per sample, and the difference. Needs Pillow alone.
"""

import json
import math
import pathlib
import sys

from PIL import Image, ImageDraw, ImageFont

SCALE = 3  # drawn so much larger, for smooth lines
WIDTH, CURVES, DIFFERENCE = 380, 250, 110  # of a column and its two parts, in pixels
LEFT, RIGHT, TOP, GAP, BOTTOM = 62, 16, 56, 44, 44
ELBOW, PYTORCH, AXIS, GRID = "#1f5fa8", "#d9711c", "#333333", "#e2e2e2"


def objects(path):
    """Of its lines of JSON; one that was cut off when a job was killed is passed over."""
    for line in path.read_text(errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def log_likelihoods(run):
    """One of each epoch, from either program's metrics.jsonl."""
    lines = objects(pathlib.Path(run) / "metrics.jsonl")
    values = (line.get("validation_log_likelihood", line.get("log_likelihood")) for line in lines)
    return [value for value in values if value is not None]


def ticks(low, high, most):
    """Round numbers between two others."""
    step = next(
        round_step * 10.0**power
        for power in range(-3, 6)
        for round_step in (1, 2, 5)
        if (high - low) / (round_step * 10.0**power) <= most
    )
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * i for i in range(first, last + 1)]


class Part:
    """A rectangle of the picture with axes of its own."""

    def __init__(self, draw, box, x_range, y_range):
        self.draw, self.box, self.x_range, self.y_range = draw, box, x_range, y_range
        self.font = ImageFont.load_default(12 * SCALE)

    def at(self, x, y):
        left, top, right, bottom = self.box
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return SCALE * (left + across * (right - left)), SCALE * (bottom - up * (bottom - top))

    def text(self, x, y, text, anchor, fill=AXIS):
        self.draw.text((SCALE * x, SCALE * y), text, fill, self.font, anchor)

    def axes(self, label, rows):
        left, top, right, bottom = self.box
        for y in ticks(*self.y_range, rows):
            height = self.at(0, y)[1]
            self.draw.line([(SCALE * left, height), (SCALE * right, height)], GRID, SCALE)
            self.text(left - 6, height / SCALE, f"{y:g}", "rm")
        for x in ticks(*self.x_range, 7):
            self.text(self.at(x, 0)[0] / SCALE, bottom + 5, f"{x:g}", "ma")
        self.draw.rectangle([SCALE * side for side in self.box], outline=AXIS, width=SCALE)
        self.text(left, top - 5, label, "ls")

    def curve(self, first, values, colour, dots=False):
        points = [self.at(first + i, value) for i, value in enumerate(values)]
        if not dots:
            self.draw.line(points, colour, 2 * SCALE, joint="curve")
        for x, y in points if dots else []:
            self.draw.ellipse([x - 7, y - 7, x + 7, y + 7], fill=colour)


def column(draw, left, title, elbow, pytorch, first):
    difference = [a - b for a, b in zip(elbow, pytorch)]
    low, high = min(elbow + pytorch), max(elbow + pytorch)
    margin, reach = 0.06 * (high - low), 1.15 * max(0.3, *map(abs, difference))
    sides, epochs = (left + LEFT, left + WIDTH - RIGHT), (first - 0.4, first + len(elbow) - 0.6)
    middle, bottom = TOP + CURVES, TOP + CURVES + GAP + DIFFERENCE
    curves = Part(draw, (sides[0], TOP, sides[1], middle), epochs, (low - margin, high + margin))
    curves.axes("log p(x), nats per image", 6)
    curves.curve(first, pytorch, PYTORCH)
    curves.curve(first, elbow, ELBOW, dots=True)
    curves.text(sides[0], 22, title, "ls")
    curves.text(sides[1] - 8, middle - 28, "Elbow (dots)", "rs", ELBOW)
    curves.text(sides[1] - 8, middle - 10, "PyTorch (line)", "rs", PYTORCH)
    box = (sides[0], middle + GAP, sides[1], bottom)
    below = Part(draw, box, epochs, (-reach, reach))
    below.axes("Elbow - PyTorch, nats per image", 6)
    below.curve(first, difference, AXIS)
    below.text((sides[0] + sides[1]) / 2, bottom + 36, "epochs", "ms")


def main():
    if len(sys.argv) < 6 or len(sys.argv) % 4 != 2:
        sys.exit(__doc__)
    output, given = sys.argv[1], sys.argv[2:]
    columns = [given[i : i + 4] for i in range(0, len(given), 4)]
    size = (WIDTH * len(columns), TOP + CURVES + GAP + DIFFERENCE + BOTTOM)
    picture = Image.new("RGB", [SCALE * side for side in size], "white")
    draw = ImageDraw.Draw(picture)
    for i, (title, elbow_run, pytorch_run, first) in enumerate(columns):
        runs = [log_likelihoods(run)[int(first) - 1 :] for run in (elbow_run, pytorch_run)]
        count = min(map(len, runs))
        column(draw, WIDTH * i, title, *(run[:count] for run in runs), int(first))
    picture.resize(size, Image.LANCZOS).save(output, optimize=True)


if __name__ == "__main__":
    main()
