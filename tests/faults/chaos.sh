#!/usr/bin/env bash
# Everything at once: rounds in which a VAE or a LORD is trained by many starts on one to five ranks, and during and
# between them random things happen: a rank, all of them or mpirun are killed, stand still for a while or are told to
# stop; a call that writes fails or is the last; the disk is full for a while; a bit of a file of the run directory is
# flipped, or the file is cut short. Each start ends in time, with an exit code that fits and a message; in the end the
# run has the bits of one that nothing happened to.
#
#   chaos.sh PROGRAM FOLDER [SEED [ROUND or FIRST-LAST]]
#
# What happens is a function of the seed and the number of the round: a round that failed is repeated by giving both.
# How long something takes is not, so that a failure may need some repetitions. FOLDER/failed keeps what is left of each
# round that failed, with the file deeds that says what was done to it, in order; FOLDER/messages counts what was said.
# FAULT_ROUNDS: how many; 100, or 2 in a small extent.
source "${BASH_SOURCE[0]%/*}/common.sh"
seed=${3:-${FAULT_SEED:-2}}
rounds=${FAULT_ROUNDS:-100}
[[ $extent == full ]] || rounds=${FAULT_ROUNDS:-2}

pictures 160 | idx images 03 160 8 8
awk 'BEGIN { for (i = 0; i < 160; ++i) printf "%c", i % 5 + 1 }' | tr '\1-\5' '\0-\4' | idx labels 01 160
expect 0 "$elbow" data import idx --images images --labels labels --output d.h5 --split train
cat >vae.toml <<TOML
[data]
train = "$PWD/d.h5:/train/images"
validation = 16
[model]
latent = 3
widths = [16]
[training]
batch = 16
epochs = 4
sum = "reproducible"
average = 0.9
[evaluation]
every = "7 steps"
validation_samples = 2
[checkpoint]
every = "5 steps"
keep = 2
[metrics]
every = "1 steps"
[job]
straggler_after = "2 s"
collective_limit = "30 s"
TOML
# In two stages, with a code for each sample.
sed "s|^train = .*|&\nlabels = \"$PWD/d.h5:/train/labels\"|; s/^epochs = .*/epochs = 2\nlater_epochs = 2/
  s/^latent = .*/&\nkind = \"lord\"\nclass_code = 3\nfit_steps = 20/" vae.toml >lord.toml
for kind in vae lord; do
  expect 0 "$elbow" train --config $kind.toml --run "reference-$kind"
  [[ $(newest_step "reference-$kind") == 36 ]] || fail "the undisturbed $kind has no last checkpoint"
done
[[ -s reference-lord/checkpoints/step-00000036/rows-00000.safetensors ]] || fail "the undisturbed lord has no codes"

# A mount of its own is a disk that can be full. Without the right to make one, calls fail all the same.
private=(unshare --mount)
((EUID == 0)) || private=(unshare --map-root-user --mount)
"${private[@]}" true 2>/dev/null || private=()
printf 'seed %s\n' "$seed"
exec "${private[@]}" python3 -B "$tests/chaos.py" --program "$elbow" --injection "$FAULT_TOOLS/faults_syscalls.so" \
  --compare "$program_tests/compare_runs.py" --seed "$seed" --rounds "$rounds" ${4:+--only "$4"}
