#!/usr/bin/env bash
# Samples with parameters of their own: the same parameters and rows at any number of ranks, and through a run that goes
# on at others.
source "${BASH_SOURCE[0]%/*}/program.sh"

pictures 301 | idx images 03 301 8 8
awk 'BEGIN { for (i = 0; i < 301; ++i) printf "%c", i % 7 + 1 }' | tr '\1-\7' '\0-\6' | idx labels 01 301
expect 0 "$elbow" data import idx --images images --labels labels --output d.h5 --split train
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
validation = 20
[model]
latent = 2
widths = [8]
fit_steps = 100
[training]
batch = 32
epochs = 3
sum = "reproducible"
average = 0.9
[evaluation]
every = "7 steps"
[checkpoint]
every = "5 steps"
TOML

# has_state RUN: the files that are to be compared are there.
has_state() {
  local file
  for file in parameters parameters-last parameters-average; do
    [[ -s $1/$file.safetensors ]] || fail "$1 has no $file.safetensors"
  done
  for file in parameters optimizer average best rows-00000; do
    [[ -s $(echo "$1"/checkpoints/step-*"$steps/$file.safetensors") ]] || fail "its checkpoint has no $file.safetensors"
  done
  checks=$((checks + 8))
}

for kind in latent-optimisation glo lord; do
  train=(train --config c.toml --model.kind "$kind")
  labels=()
  steps=27
  if [[ $kind == lord ]]; then  # in two stages, the first as long as three of the runs below
    steps=9
    labels=(--labels d.h5:/train/labels)
    train+=(--data.labels d.h5:/train/labels --model.class_code 3 --training.batch 96 --training.epochs 1
      --training.later_epochs 2)
  fi
  expect 0 "$elbow" "${train[@]}" --run "$kind-1"
  has_state "$kind-1"
  for n in 2 3; do
    expect 0 ranks "$n" "${train[@]}" --run "$kind-$n"
    exact "$kind-1" "$kind-$n"
  done
  # Stopped inside an epoch, at one number of ranks after another.
  expect 75 ranks 2 "${train[@]}" --run "$kind-run" --time-limit '0.000000001 s'
  expect 75 "$elbow" "${train[@]}" --run "$kind-run" --time-limit '0.000000001 s'
  expect 75 ranks 3 "${train[@]}" --run "$kind-run" --time-limit '0.000000001 s'
  says "stopped by the time limit after 3 of $steps steps"
  if [[ $kind == lord ]]; then expect 75 "$elbow" "${train[@]}" --run "$kind-run" --time-limit '0.000000001 s'; fi
  expect 0 ranks 2 "${train[@]}" --run "$kind-run"
  exact "$kind-1" "$kind-run"

  # Other samples have their q fitted.
  expect 0 "$elbow" evaluate "$kind-1" --data d.h5:/train/images "${labels[@]}" --samples 2 --output figures.json
  grep -q '"log_likelihood\(_given_c\)\?": -\?[0-9]' figures.json || fail "$kind: no log-likelihood"

  # Those that were trained on have the codes that they learned.
  expect 0 "$elbow" evaluate "$kind-1" --training --parameters last --samples 2
  expect 0 ranks 3 evaluate "$kind-1" --training --parameters last --samples 2 --output again.json
  same "$kind-1/evaluation-training.json" again.json
  grep -q '"count": 281' again.json || fail "$kind: the samples held out are not left out"
done

# Another rate of the rows is another run.
expect 0 "$elbow" "${train[@]}" --run slow --optimizer.row_rate 0.0001
cmp -s slow/parameters-last.safetensors "$kind-1/parameters-last.safetensors" && fail "optimizer.row_rate has no effect"
expect 2 "$elbow" "${train[@]}" --run bad --optimizer.row_rate -1
says "optimizer.row_rate"
finish
