"""What h5py finds in the files that commands.sh has let the program write in the working directory."""
import sys

import h5py
import numpy

checks = 0


def expect(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"commands_reader: {what}")


def read(name):
    with h5py.File(name) as file:
        return {key: file[key][()] for key in file}, dict(file.attrs)


codes, about = read("codes-1.h5")
expect(set(codes) == {"mean", "deviation", "labels"}, f"codes of a cvae: {set(codes)}")
with h5py.File("d.h5") as file:
    expect((codes["labels"] == file["labels"][()]).all(), "the labels that were given")
expect(codes["mean"].shape == (203, 3) and codes["mean"].dtype == numpy.float32, "shape of the codes")
expect((codes["deviation"] > 0).all(), "a deviation that is not positive")
expect(about["data"] == "d.h5:/bytes" and len(about["parameters_hash"]) == 32, f"attributes {about}")
expect(len(about["data_fingerprint"]) == 32 and about["block"] == 64, f"attributes {about}")
expect(read("lord-1.h5")[0]["condition"].shape == (203, 4), "the condition that lord reads from x")

# Codes are in the order of the samples, and those of a NaN are NaN.
forwards, backwards, broken = (read(f"{name}.h5")[0] for name in ("forwards", "backwards", "broken"))
for name in ("mean", "deviation"):
    expect(numpy.abs(forwards[name] - backwards[name][::-1]).max() < 1e-6, f"{name} in another order")
    expect(numpy.abs(numpy.diff(forwards[name], axis=0)).max() > 1e-4, f"{name} is the same for all")
    expect(numpy.isnan(broken[name][100]).all(), "the code of a NaN")
    kept = numpy.arange(203) != 100
    expect(numpy.abs(broken[name] - forwards[name])[kept].max() < 1e-6, "the codes beside a NaN")

samples, about = read("samples-1.h5")
expect(samples["images"].shape == (45, 6, 8) and samples["images"].dtype == numpy.uint8, "samples of bytes")
expect((samples["labels"] == numpy.arange(45) % 3).all(), "classes in turn")
expect("data" not in about, "samples are of no data")
expect((read("class.h5")[0]["labels"] == 2).all(), "one class for all")
vectors = read("vectors.h5")[0]
expect(vectors["images"].shape == (7, 48) and vectors["images"].dtype == numpy.float32, "vectors")

whole = read("whole.h5")[0]
expect(whole["images"].shape == (203, 6, 8) and whole["images"].dtype == numpy.float32, "reconstructions")
expect((whole["index"] == numpy.arange(203)).all(), "the order of reconstructions")
expect(numpy.isfinite(whole["images"]).all(), "reconstructions that are no numbers")
expect(numpy.abs(numpy.diff(whole["images"], axis=0)).max() > 1e-4, "all reconstructions are the same")

# An image swapped with itself is its reconstruction, but for the rounding of blocks of another shape.
bytes_ = read("whole-bytes.h5")[0]["images"].astype(int)
itself = read("itself.h5")[0]
expect((itself["content"] == [3, 3, 3, 4, 4, 4, 5, 5, 5]).all(), "contents in rows")
expect((itself["class"] == [3, 4, 5] * 3).all(), "classes in columns")
for cell in (0, 4, 8):
    expect(numpy.abs(itself["images"][cell].astype(int) - bytes_[itself["content"][cell]]).max() <= 1, "swap with itself")
expect(read("two.h5")[0]["images"].shape == (2, 6, 8), "a table of lord's")

# Both ends of a way are reconstructions.
for name, steps, pairs in (("interpolated-1", 8, [(3, 17), (5, 40)]), ("circle", 5, [(3, 17), (5, 5)])):
    way = read(f"{name}.h5")[0]
    expect(numpy.allclose(way["share"], numpy.tile(numpy.linspace(0, 1, steps), 2)), f"{name}: shares {way['share']}")
    for i, (a, b) in enumerate(pairs):
        first, last = i * steps, (i + 1) * steps - 1
        expect(way["from"][last] == a and way["to"][first] == b, f"{name}: numbers of the samples")
        expect(numpy.abs(way["images"][first] - whole["images"][a]).max() < 1e-6, f"{name}: beginning")
        expect(numpy.abs(way["images"][last] - whole["images"][b]).max() < 1e-6, f"{name}: end")

# Where a latent is at 0, all rows have met.
walk = read("walk.h5")[0]
expect(sorted(walk["latent"]) == [0] * 5 + [1] * 5 + [2] * 5, f"latents {walk['latent']}")
expect((walk["value"] == numpy.tile([-3, -1.5, 0, 1.5, 3], 3)).all(), f"values {walk['value']}")
middle = walk["images"][walk["value"] == 0]
expect(len(middle) == 3 and numpy.abs(middle - middle[0]).max() < 1e-6, "the others moved as well")
mixed = read("mixed.h5")[0]
expect((mixed["value"][:4] == range(4)).all(), "categories")
expect(len(mixed["value"]) == 4 + 9 + 9 and numpy.abs(mixed["value"][4:]).max() == 1, "numbers within bounds")
print(f"{checks} expectations met")
