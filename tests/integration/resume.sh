#!/usr/bin/env bash
# A run that is stopped and goes on, as a person does it: at other numbers of ranks, with options that may and may not
# change, with checkpoints that are damaged, and with the parameters of another run.
source "${BASH_SOURCE[0]%/*}/program.sh"

data_set 301
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
says "going on with the run in run (stopped by the time limit) from step 2"

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
says "holds one that goes on"

# What cannot be meant.
expect 2 "$elbow" train --config c.toml --run bad --time-limit '3 steps'
says "--time-limit takes a time"
expect 2 "$elbow" train --config c.toml --run bad --training.spike 0.5
says "must be above 1, or 0"
expect 2 "$elbow" train --config c.toml --run bad --training.sum exact
says "fast, reproducible"
expect 2 "$elbow" train --config c.toml --run bad --checkpoint.every soon
expect 2 "$elbow" evaluate whole --data moved.h5:/train/images --parameters nothing
finish
