#!/usr/bin/env bash
# A run that is stopped and goes on, as a person does it: at other numbers of ranks, with options that may and may not
# change, with checkpoints that are damaged, and with the parameters of another run.
source "${BASH_SOURCE[0]%/*}/program.sh"

data_set 301
# newest RUN: the step of its newest checkpoint.
newest() { basename "$(ls -d "$1"/checkpoints/step-* | tail -n 1)"; }
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
validation = 40
[model]
latent = 2
widths = [8]
[training]
batch = 32
epochs = 6
sum = "reproducible"
average = 0.9
[evaluation]
every = "7 steps"
[checkpoint]
every = "5 steps"
TOML
expect 0 "$elbow" train --config c.toml --run whole

# Stopped at once, again and again, at another number of ranks each time; a limit of a nanosecond is one step a session.
expect 75 ranks 2 train --config c.toml --run run --time-limit '0.000000001 s'
expect 75 ranks 3 train --config c.toml --run run --time-limit '0.000000001 s'
says "stopped by the time limit after 2 of 54 steps; the state is saved in run"
expect 75 "$elbow" train --config c.toml --run run --time-limit '0.000000001 s'
says "resuming the run in run (stopped by the time limit) from step 2"

# What may not change is refused with the difference, what may is recorded.
expect 4 "$elbow" train --config c.toml --run run --training.seed 2
says "training.seed: was 1, now 2 (from the command line)"
expect 75 "$elbow" train --config c.toml --run run --time-limit '0.000000001 s' --checkpoint.keep 9
says "checkpoint.keep: was 3, now 9"
grep -q '"changed": ".*checkpoint.keep: was 3, now 9' run/run.json || fail "run.json does not record the change"

# Other data under the same name.
cp d.h5 kept.h5
data_set 300 --replace
expect 3 "$elbow" train --config c.toml --run run
says "is not what the run in run was trained on"
mv kept.h5 moved.h5

# Evaluated before its end, from its checkpoint; and brought to its end with the data elsewhere.
expect 0 "$elbow" evaluate run --data moved.h5:/train/images --samples 2 --parameters last --output early.json
expect 0 ranks 2 train --config c.toml --run run --data.train moved.h5:/train/images --checkpoint.keep 9
exact run whole
expect 0 "$elbow" train --config c.toml --run run --data.train moved.h5:/train/images
says "is finished; nothing is left to do"

# A damaged checkpoint is passed over by name; the run ends as if it had been whole.
expect 75 "$elbow" train --config c.toml --run damaged --data.train moved.h5:/train/images --time-limit '0.000000001 s'
expect 75 "$elbow" train --config c.toml --run damaged --data.train moved.h5:/train/images --time-limit '0.000000001 s'
printf 'X' | dd of=damaged/checkpoints/step-00000002/optimizer.safetensors bs=1 seek=700 conv=notrunc status=none
expect 0 ranks 2 train --config c.toml --run damaged --data.train moved.h5:/train/images
says "passing over checkpoint damaged/checkpoints/step-00000002"
says "its content does not match its hash"
says "from step 1"
same whole/parameters-last.safetensors damaged/parameters-last.safetensors

expect 75 "$elbow" train --config c.toml --run lost --data.train moved.h5:/train/images --time-limit '0.000000001 s'
rm lost/checkpoints/step-00000001/manifest.json
expect 4 "$elbow" train --config c.toml --run lost --data.train moved.h5:/train/images
says "none of the 1 checkpoints in lost/checkpoints is as it was written"

# A finished run is extended, with its own configuration; where the rate does not depend on the number of epochs, it ends
# with the bits of one that was as long from the beginning.
cat >long.toml <<'TOML'
[data]
train = "moved.h5:/train/images"
validation = 40
[model]
latent = 2
widths = [8]
[training]
batch = 32
sum = "reproducible"
average = 0.9
[optimizer]
schedule = "constant"
[metrics]
every = "1 steps"
TOML
# weights RUN: the bytes of the parameters' files in its last checkpoint.
weights() { cat "$(ls -d "$1"/checkpoints/step-* | tail -n 1)"/{parameters,optimizer,average,best}.safetensors | sha256sum; }
rates() { sed -n 's/^{"step":\([0-9]*\),.*"learning_rate":\([^,]*\),.*/\1 \2/p' "$1/metrics.jsonl"; }
for schedule in constant cosine; do
  sed -i "s/^schedule = .*/schedule = \"$schedule\"/" long.toml
  expect 0 "$elbow" train --config long.toml --run long-$schedule --training.epochs 5
  expect 0 "$elbow" train --config long.toml --run grown-$schedule --training.epochs 3
  expect 0 "$elbow" train --run grown-$schedule
  says "is finished; nothing is left to do. More --training.epochs"
  expect 4 "$elbow" train --run grown-$schedule --training.epochs 2
  says "can be made longer, but no shorter"
  expect 4 "$elbow" train --run grown-$schedule --training.epochs 5 --training.seed 2
  expect 75 ranks 2 train --run grown-$schedule --training.epochs 5 --time-limit '0.000000001 s'
  says "extended from 3 to 5 epochs; schedule of the learning rate: $schedule"
  grep -q '"finished": false' grown-$schedule/run.json || fail "a run that is extended is called finished"
  expect 0 ranks 3 train --run grown-$schedule
  grep -q '"schedule": "'$schedule grown-$schedule/run.json || fail "run.json does not say what the rate follows"
  # After the old end, 27 steps, the rate is that of the longer run.
  diff <(rates long-$schedule | awk '$1 > 27') <(rates grown-$schedule | awk '$1 > 27') >&2 || fail "other rates"
done
[[ $(weights long-constant) == "$(weights grown-constant)" ]] || fail "an extended run ends with other bits"

# So is one that ended early, with more patience.
expect 0 "$elbow" train --config long.toml --run impatient --training.epochs 8 --evaluation.patience 1 \
  --evaluation.every '1 steps' --optimizer.rate 0.2
says "finished: no better validation for a while"
before=$(newest impatient)
expect 0 "$elbow" train --run impatient --training.epochs 9
says "raise --evaluation.patience"
expect 0 "$elbow" train --run impatient --evaluation.patience 4
[[ $(newest impatient) > $before ]] || fail "more patience does not extend the run"
rm -r impatient/checkpoints
expect 4 "$elbow" train --run impatient --training.epochs 50
says "no checkpoint is left from which it could be extended"
[[ -e impatient/parameters.safetensors ]] || fail "a run that cannot be extended lost its parameters"

# The parameters of another run, or of a file.
expect 0 "$elbow" train --config c.toml --run more --data.train moved.h5:/train/images --init-from whole --training.epochs 1
says "parameters taken over from whole/parameters.safetensors"
grep -q '"file": "whole/parameters.safetensors"' more/run.json || fail "run.json does not say what the run began with"
expect 0 "$elbow" train --config c.toml --run file --data.train moved.h5:/train/images \
  --init-from whole/parameters-average.safetensors --training.epochs 1
expect 4 "$elbow" train --config c.toml --run other --data.train moved.h5:/train/images --init-from whole --model.widths 9
says "has shape"
[[ ! -e other ]] || fail "a refused run left a directory"
expect 4 "$elbow" train --config c.toml --run other --data.train moved.h5:/train/images --init-from nowhere
expect 75 "$elbow" train --config c.toml --run begun --data.train moved.h5:/train/images --time-limit '0.000000001 s'
expect 2 "$elbow" train --config c.toml --run begun --data.train moved.h5:/train/images --init-from whole
says "holds one that can be resumed"

# A run keeps the defaults that it began with, here of widths, also where the program has others by now.
grep -v '^widths' c.toml >usual.toml
net=(--data.train moved.h5:/train/images --model.network convolutional)
expect 75 "$elbow" train --config usual.toml --run kept "${net[@]}" --model.widths 5 --time-limit '0.000000001 s'
expect 0 "$elbow" train --config usual.toml --run kept "${net[@]}"
grep -q '^widths = \[5\]$' kept/config.toml || fail "the run has other widths than it began with"
expect 4 "$elbow" train --config usual.toml --run kept "${net[@]}" --model.widths 6
says "model.widths: was [5], now [6]"

# What cannot be meant.
expect 2 "$elbow" train --config c.toml --run bad --time-limit '3 steps'
says "--time-limit takes a time"
expect 2 "$elbow" train --config c.toml --run bad --time-limit 5
says "--time-limit takes a time, such as '30 min' or '11.5 h', and not '5'"
expect 2 "$elbow" train --config c.toml --run bad --training.spike 0.5
says "must be above 1, or 0"
expect 2 "$elbow" train --config c.toml --run bad --training.sum exact
says "fast, reproducible"
expect 2 "$elbow" train --config c.toml --run bad --checkpoint.every soon
expect 2 "$elbow" evaluate whole --data moved.h5:/train/images --parameters nothing
finish
