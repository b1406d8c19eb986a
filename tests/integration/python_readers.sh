#!/usr/bin/env bash
# The files of a run, read by Python's safetensors and h5py.
source "${BASH_SOURCE[0]%/*}/program.sh"

data_set 256
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
[model]
latent = 2
widths = [8]
[training]
batch = 32
epochs = 3
average = 0.9
TOML
expect 0 ranks 2 train --config c.toml --run run
expect 0 ranks 2 evaluate run --data d.h5:/train/images --samples 3 --per-image images.h5
expect 0 env PYTHONPATH="$TESTS_SOURCE_DIR/.deps/python" /usr/bin/python3 "$TESTS_SOURCE_DIR/tests/integration/python_readers.py" run images.h5
says "expectations met"
finish
