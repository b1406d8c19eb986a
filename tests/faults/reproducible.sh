#!/usr/bin/env bash
# The same bits at any number of ranks up to the number of shards: checkpoints, parameters, record and metrics of each
# configuration, on 1, 2, 3, 4, 5 and 8 ranks, and over all of them in turn.
source "${BASH_SOURCE[0]%/*}/common.sh"
data_set 210
cat >base.toml <<'TOML'
[data]
train = "d.h5:/train/images"
validation = 17
[model]
latent = 3
NETWORK
[training]
epochs = 2
sum = "reproducible"
shards = 8
TRAINING
[evaluation]
every = "4 steps"
validation_samples = 2
block = 8
[checkpoint]
every = "5 steps"
[metrics]
every = "3 steps"
TOML
mlp='widths = [24, 16]'
convolutional='network = "convolutional"\nwidths = [4, 6]'
plain='batch = 32'
# 193 samples: batches of 44 in 11 shards of 4, the last of an epoch of 17 in 4.
everything='batch = 44\nclip = 30.0\naccumulation = 2\naverage = 0.9\ndraws = 2'
sizes=(2 3 4 5 8)
names=(mlp-plain mlp-everything convolutional-plain convolutional-everything)
if [[ $extent == small ]]; then
  sizes=(3 8)
  names=(mlp-everything convolutional-everything)
fi

# digest RUN: of the parameters in the run directory and of the last checkpoint.
digest() { cat "$1"/*.safetensors "$1"/checkpoints/step-*/*.safetensors | sha256sum | head -c 12; }

for name in "${names[@]}"; do
  network=${name%-*} training=${name#*-}
  sed "s/^NETWORK/${!network}/; s/^TRAINING/${!training}/" base.toml >"$name.toml"
  expect 0 "$elbow" train --config "$name.toml" --run "$name-1"
  for n in "${sizes[@]}"; do
    expect 0 timeout 100 mpirun -q --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -n "$n" \
      "$elbow" train --config "$name.toml" --run "$name-$n"
    exact "$name-$n" "$name-1"
  done
  # A little on each number of ranks: a time limit of nothing stops after one step, which is saved.
  for n in 1 "${sizes[@]}"; do
    expect 75 timeout 100 mpirun -q --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -n "$n" \
      "$elbow" train --config "$name.toml" --run "$name-mixed" --time-limit "0.001 s"
  done
  expect 0 ranks 2 train --config "$name.toml" --run "$name-mixed"
  exact "$name-mixed" "$name-1"
  echo "$name: $(digest "$name-1") on 1, ${sizes[*]} ranks and over all of them"
done
finish
