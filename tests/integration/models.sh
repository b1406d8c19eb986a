#!/usr/bin/env bash
# Every model of the lecture, with every prior, network, layout and objective: the same bits on one rank, on two, and through a
# run that is stopped on three ranks and goes on on two. (The models with rows of their own: rows.sh.)
source "${BASH_SOURCE[0]%/*}/program.sh"

pictures 75 >bytes
idx images 03 75 8 8 <bytes
idx volumes 04 75 4 4 4 <bytes
awk 'BEGIN { for (i = 0; i < 75; ++i) printf "%c", i % 3 + 1 }' | tr '\1-\3' '\0-\2' | idx labels 01 75
expect 0 "$elbow" data import idx --images images --labels labels --output d.h5 --split train
expect 0 "$elbow" data import idx --images volumes --output d.h5 --split volumes
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
validation = 11
[model]
latent = 2
widths = [6]
[training]
batch = 24
epochs = 2
sum = "reproducible"
average = 0.9
[evaluation]
samples = 3
[checkpoint]
every = "1000 steps"
TOML

# model NAME OPTION...
model() {
  local name=$1
  shift
  expect 0 "$elbow" train --config c.toml "$@" --run "$name"
  expect 0 ranks 2 train --config c.toml "$@" --run "$name-2"
  exact "$name" "$name-2"
  expect 75 ranks 3 train --config c.toml "$@" --run "$name-resumed" --time-limit '0.000000001 s'
  expect 0 ranks 2 train --config c.toml "$@" --run "$name-resumed"
  exact "$name" "$name-resumed"
}

labels=(--data.labels d.h5:/train/labels)
model uniform --model.prior uniform --model.likelihood laplace
model categorical --model.prior categorical --model.categories '[3, 4]' --model.likelihood bernoulli
model gumbel --model.prior categorical --model.categories '[9, 9]' --model.sigma per-dimension
model product --model.prior product --model.factors '["categorical 3", "uniform 2"]' --model.sigma optimal
model mixture --model.prior mixture --model.components 3
model vamp --model.prior vamp --model.components 3 --training.objective iwae --training.draws 3
model convolutional --model.network convolutional --model.widths '[4]' --training.objective dreg --training.draws 2
model residual --model.network residual --model.widths '[4]' --training.beta 2 --training.kl_warmup 1.5
model transformer --model.network transformer --model.widths '[8]' --model.heads 2 --model.depth 1 --training.free_bits 0.1
model signal --data.layout signal --model.network residual --model.widths '[4]'
model volume --data.train d.h5:/volumes/images --data.layout volume --model.network convolutional --model.widths '[4]'
model cvae --model.kind cvae "${labels[@]}" --model.prior conditional
model values --model.kind cvae "${labels[@]}" --model.condition values --model.likelihood discretised-logistic
model pixelcnn --model.kind pixelcnn --model.widths '[4, 4]' --model.likelihood categorical --model.levels 256
finish
