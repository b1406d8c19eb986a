#!/usr/bin/env bash
# The whole way: IDX to HDF5 to a trained model, its likelihood, and pictures.
source "${BASH_SOURCE[0]%/*}/program.sh"

pictures 203 | idx images 03 203 8 8
head -c 203 images | idx labels 01 203
gzip -k images

expect 0 "$elbow" data import idx --images images.gz --labels labels --output d.h5 --split train
expect 0 "$elbow" data import idx --images images --labels labels --output d.h5 --split test
expect 3 "$elbow" data import idx --images images --labels labels --output d.h5 --split test
says "test"
expect 0 "$elbow" data inspect d.h5
says "/train/images"

cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
labels = "d.h5:/train/labels"
validation = 0.1
[model]
latent = 3
widths = [16]
[training]
batch = 32
epochs = 3
[evaluation]
samples = 5
TOML

expect 0 "$elbow" train --config c.toml --run run --dry-run
says "encoder.0"
says "183 samples"
says "1 rank x 1 thread; batch 32 = 32 a rank"
[[ ! -e run ]] || fail "a dry run made a run directory"

expect 0 ranks 2 train --config c.toml --run run
says "best validation ELBO"
for file in config.toml run.json metrics.jsonl log.jsonl model.json parameters.safetensors; do
  [[ -s run/$file ]] || fail "run/$file is missing"
done
python3 - <<'PY' || fail "metrics.jsonl is not as documented"
import json
lines = [json.loads(line) for line in open("run/metrics.jsonl")]
assert sum("validation_elbo" in line for line in lines) == 3, lines
steps = [line for line in lines if "elbo" in line]
assert steps[-1]["step"] == 18 and steps[-1]["samples"] == 3 * 183, steps[-1]
assert all(line["time"]["ranks"] == 2 for line in lines)
PY

# A finished run is left as it is; another configuration is refused with the difference.
before=$(sha256sum run/parameters.safetensors)
expect 0 ranks 2 train --config c.toml --run run
says "is finished"
[[ $before == "$(sha256sum run/parameters.safetensors)" ]] || fail "a finished run was changed"
expect 4 "$elbow" train --config c.toml --run run --optimizer.rate 0.5
says "optimizer.rate: was 0.001, now 0.5"

# The same bytes at any number of ranks, with 203 images in blocks of 16.
for n in 1 2 3 4; do
  expect 0 ranks "$n" evaluate run --data d.h5:/test/images --samples 5 --block 16 \
    --output "e$n.json" --per-image "e$n.h5"
  same e1.json "e$n.json"
  same e1.h5 "e$n.h5"
done
expect 0 "$elbow" evaluate run --data d.h5:/test/images --samples 5 --block 16 --output e0.json
same e1.json e0.json
says "log p(x)"

# The same configuration gives the same parameters, with the same number of ranks.
expect 0 ranks 2 train --config c.toml --run again
same run/parameters.safetensors again/parameters.safetensors

expect 0 "$elbow" sample run --count 9
expect 0 "$elbow" sample run --draw
expect 0 "$elbow" reconstruct run --data d.h5:/test/images
for picture in samples samples-draws reconstructions; do
  [[ $(head -c 8 "run/samples/$picture.png" | od -An -tx1) == " 89 50 4e 47 0d 0a 1a 0a" ]] ||
    fail "run/samples/$picture.png is no PNG file"
done
expect 0 ranks 2 doctor
says "ranks"
finish
