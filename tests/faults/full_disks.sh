#!/usr/bin/env bash
# A disk without room (5), and what a run is called then: one whose last state is not on disk is not finished, also where
# a rank writes elsewhere. What a run needs is compared with what is free before it trains.
source "${BASH_SOURCE[0]%/*}/common.sh"
data_set 48
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
validation = 8
[model]
kind = "latent-optimisation"
latent = 3
widths = [8]
[training]
batch = 8
epochs = 2
sum = "reproducible"
[checkpoint]
every = "never"
TOML
# on_disk NAME=VALUE... -- COMMAND...: with a disk under the folder run that is as the variables say.
on_disk() {
  local variables=()
  while [[ $1 != -- ]]; do
    variables+=("$1")
    shift
  done
  env LD_PRELOAD="$FAULT_TOOLS/faults_syscalls.so" FAULT_UNDER="$PWD/run" "${variables[@]}" "${@:2}"
}
finished() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1] + "/run.json"))["finished"])' "$1"; }
train=("$elbow" train --config c.toml)

# Full from the last checkpoint on: the samples' codes are nowhere else.
expect 0 on_disk FAULT_LIST=calls -- "${train[@]}" --run run
mv run reference
last=$(sed -n 's/^\([0-9]*\) [a-z]* checkpoints.*/\1/p' calls | head -n 1)
full=$((last + 2))
for kind in full EIO; do
  rm -rf run hit
  expect 1 on_disk "FAULT_AT=$full" "FAULT_KIND=$kind" FAULT_HIT=hit -- "${train[@]}" --run run
  grep -q "checkpoints/.staging-10" hit || fail "it was not the last checkpoint that failed: $(<hit)"
  says "the run is not finished: its state after 10 of 10 steps could not be saved"
  [[ $(finished run) == False ]] || fail "a run without its codes is called finished"
  [[ $(newest_step run) == 0 ]] || fail "there is a checkpoint"
  # With room again it is finished, with its codes.
  expect 0 "${train[@]}" --run run
  [[ $(finished run) == True ]] || fail "the run is not finished"
  exact run reference
  expect 0 "$elbow" evaluate run --training --samples 2
done

# The last state is there already: no room is needed to be finished with it.
rm -rf run
expect 0 "${train[@]}" --run run
sed -i 's/"finished": true/"finished": false/' run/run.json
expect 0 on_disk FAULT_FREE=0 -- "${train[@]}" --run run
exact run reference

# A rank that sees another directory under the same name.
rm -rf run
mkdir a b
for place in a b; do cp c.toml d.h5 "$place"; done
: >output
status=0
timeout 60 mpirun -q --oversubscribe --bind-to none -n 1 -wdir "$PWD/a" "$elbow" train --config c.toml --run run \
  : -n 1 -wdir "$PWD/b" "$elbow" train --config c.toml --run run >output 2>&1 </dev/null || status=$?
[[ $status == 4 ]] || fail "exit code $status of ranks with two run directories"
says "[rank 1] the directory run is not the run directory that rank 0 has opened"
[[ ! -e a/run && ! -e b/run ]] || fail "ranks that were refused left a directory"

# Too little room for one checkpoint is refused, for all of them said; --dry-run tells both.
expect 1 on_disk FAULT_FREE=4000 -- "${train[@]}" --run run
says "3.9 KiB are free for run, and a checkpoint of this run takes"
[[ ! -e run ]] || fail "a refused run left a directory"
expect 0 on_disk FAULT_FREE=4000 -- "${train[@]}" --run run --dry-run
says "3.9 KiB free for run: too little"
expect 0 "${train[@]}" --run run --dry-run
says "a checkpoint, up to"
expect 0 on_disk FAULT_FREE=40000 -- "${train[@]}" --run run --checkpoint.every '2 steps' --checkpoint.keep 3
says "(4 checkpoints of"
says "make room, or lower --checkpoint.keep"
finish
