#!/usr/bin/env bash
# Ranks that don't do the same: one leaves a collective out (13), or has another configuration, program or library (14);
# and data whose parts don't fit together (15). All ranks end, in seconds, and say what differs.
source "${BASH_SOURCE[0]%/*}/common.sh"
small_run
mpi=(timeout -k 5 60 mpirun -q --oversubscribe --bind-to none --mca mpi_yield_when_idle 1)

# left_out NUMBER [-x VARIABLE=VALUE...]: rank 1 leaves out the NUMBERth collective.
left_out() {
  local at=$1 since=$SECONDS
  shift
  rm -rf run
  status=0
  "${mpi[@]}" -x LD_PRELOAD="$FAULT_TOOLS/faults_collectives.so" -x SKIP_RANK=1 -x SKIP_AT="$at" \
    -x SKIP_TOTAL="$PWD/total" "$@" -n "${job_size:-2}" \
    "$elbow" train --config c.toml --run run --checkpoint.every never >output 2>&1 </dev/null || status=$?
  ((SECONDS - since <= 30)) || fail "collective $at: it took $((SECONDS - since)) s"
}

# The job ends with 5, and says, once, what each rank called.
is_named() {
  checks=$((checks + 1))
  # A rank that has lost a text stumbles over that before it comes to another collective.
  if [[ $status == 1 ]] && grep -q "^elbow: \[rank 1\] .*json" output; then return; fi
  [[ $status == 5 ]] || fail "collective $at: exit code $status"
  # One exchange of parts of gradients in the place of another is known by the sizes alone.
  if ! grep -q "^elbow: all_to_all: what is sent and what is received differ in size" output; then
    says "the ranks called different collectives: rank 0: "
    says "; rank 1: "
  fi
  [[ $(grep -c "^elbow: " output) == 1 ]] || fail "both ranks said so"
}

# 13. Each collective of a run once: in preparing, in steps, validations, checkpoints, at the end; as one that the rank
# never came to. Not the very last, the end of the program itself: nothing comes after it that would tell. And some that it counted, but that were lost.
left_out 0
[[ $status == 0 ]] || fail "exit code $status of the undisturbed run"
total=$(<total)
((total >= 60)) || fail "a run has only $total collectives"
step=1
[[ $extent == full ]] || step=30
for ((at = 1; at < total; at += step)); do
  left_out "$at" -x SKIP_RENUMBER=1
  is_named
done
for at in 2 30 50 51; do
  left_out "$at"
  is_named
done
# Five ranks, of which one leaves out several in a row. (Near the end that hangs, which hangs.sh tries.)
job_size=5 left_out 63 -x SKIP_COUNT=3 -x SKIP_RENUMBER=1
is_named

# 14. Refused before the first step, and before a run directory is made.
# different TEXT RANK0... -- RANK1...: two ranks started by different commands.
different() {
  local text=$1 first=()
  shift
  while [[ $1 != -- ]]; do first+=("$1") && shift; done
  shift
  rm -rf run
  expect 2 "${mpi[@]}" -n 1 "${first[@]}" train --config c.toml --run run : \
    -n 1 "$@" train --config c.toml --run run
  says "the ranks differ: $text"
  [[ $(grep -c "the ranks differ" output) == 1 ]] || fail "both ranks said so"
  [[ ! -e run ]] || fail "a refused job made a run directory"
}
different "training.seed is 1 on rank 0, but training.seed is 2 on rank 1" \
  "$elbow" -- -x ELBOW_TRAINING_SEED=2 "$elbow"
different "data.window is 4096 on rank 0, but data.window is 8192 on rank 1" \
  -x ELBOW_DATA_WINDOW=4096 "$elbow" -- "$elbow"
different "model.widths is " "$elbow" -- -x "ELBOW_MODEL_WIDTHS=[9]" "$elbow"
different "checkpoint.every is " "$elbow" -- -x "ELBOW_CHECKPOINT_EVERY=9 steps" "$elbow"
# A configuration file that one host has in an older version.
mkdir -p other && sed 's/batch = 8/batch = 16/' c.toml >other/c.toml
expect 2 "${mpi[@]}" -n 1 "$elbow" train --config c.toml --run "$PWD/run" : \
  -n 1 -wdir "$PWD/other" "$elbow" train --config c.toml --run "$PWD/run"
says "training.batch is 8 on rank 0, but training.batch is 16 on rank 1"
# Another build of the program: its commit is another.
commit=$("$elbow" --version | sed 's/.*(\(.*\))/\1/')
python3 - "$elbow" "$commit" <<'PY'
import sys
program = open(sys.argv[1], "rb").read()
commit = sys.argv[2].encode()[:8]  # the compiler may have put a longer text into instructions, piece by piece
assert commit in program
open("elbow-other", "wb").write(program.replace(commit, (b"1" if commit[:1] == b"0" else b"0") + commit[1:]))
PY
chmod +x elbow-other
different "commit is $commit on rank 0, but commit is " "$elbow" -- "$PWD/elbow-other"
# And one of the same commit with something changed by hand: a byte more is enough.
{ cat "$elbow" && printf x; } >elbow-other
different "the hash of the program is " "$elbow" -- "$PWD/elbow-other"
rm elbow-other
different "hdf5 is " "$elbow" -- -x LD_PRELOAD="$FAULT_TOOLS/faults_library.so" "$elbow"
says "hdf5 is 1.99.7 on rank 1"
# Files of the same name with another content on one host.
pictures 49 | tail -c +65 | idx images2 03 48 8 8
(cd other && expect 0 "$elbow" data import idx --images ../images2 --output d.h5 --split train)
cp c.toml other/
expect 2 "${mpi[@]}" -n 1 "$elbow" train --config c.toml --run "$PWD/run" : \
  -n 1 -wdir "$PWD/other" "$elbow" train --config c.toml --run "$PWD/run"
says "the fingerprint of data.train is"

# Every other command as well, before it computes: what the ranks were told, and what they found in their files.
expect 0 "$elbow" train --config c.toml --run run
head -c 48 images | idx labels 01 48
expect 0 "$elbow" data import idx --images images --labels labels --output labelled.h5 --split train
# told TEXT ARGUMENTS0... -- ARGUMENTS1...: two ranks given different words.
told() {
  local text=$1 first=()
  shift
  while [[ $1 != -- ]]; do first+=("$1") && shift; done
  shift
  expect 2 "${mpi[@]}" -n 1 "$elbow" "${first[@]}" : -n 1 "$elbow" "$@"
  says "the ranks differ: $text"
  [[ $(grep -c "^elbow: " output) == 1 ]] || fail "both ranks said so"
}
evaluate=(evaluate run --data d.h5:/train/images --output e.json)
told "--samples is 2 on rank 0, but --samples is 64 on rank 1" "${evaluate[@]}" --samples 2 -- "${evaluate[@]}" --samples 64
told "--block is not given on rank 0, but --block is 7 on rank 1" "${evaluate[@]}" -- "${evaluate[@]}" --block 7
told "the command is encode on rank 0, but the command is reconstruct on rank 1" \
  encode run --data d.h5:/train/images -- reconstruct run --data d.h5:/train/images
told "RUN is run on rank 0, but RUN is ./run on rank 1" export run --output e -- export ./run --output e
told "--count is 5 on rank 0, but --count is 6 on rank 1" sample run --count 5 -- sample run --count 6
told "--labels is not given" encode run --data d.h5:/train/images -- \
  encode run --data d.h5:/train/images --labels labelled.h5:/train/labels
told "--run is run on rank 0, but --run is run2 on rank 1" train --config c.toml --run run -- train --config c.toml --run run2
[[ ! -e run2 ]] || fail "a refused job made a run directory"
expect 2 "${mpi[@]}" -n 1 -x "ELBOW_JOB_LINK_LIMIT=9 s" "$elbow" "${evaluate[@]}" : -n 1 "$elbow" "${evaluate[@]}"
says "job.link_limit is "
# A rank that alone was told nonsense is heard.
expect 2 "${mpi[@]}" -n 1 "$elbow" "${evaluate[@]}" : -n 1 "$elbow" "${evaluate[@]}" --samples 0
says "[rank 1] --samples"
# Files of the same name with another content on one host: the run's, the data, labels that the model does not need.
# found TEXT ARGUMENTS...: rank 1 in another folder.
found() {
  local text=$1
  shift
  expect 2 "${mpi[@]}" -n 1 "$elbow" "$@" : -n 1 -wdir "$PWD/other" "$elbow" "$@"
  says "the ranks differ: $text"
}
cp -r run other/run
found "the fingerprint of the data is" "${evaluate[@]}"
cp d.h5 other/
sed -i 's/^samples = .*/samples = 3/' other/run/config.toml
found "the hash of run/config.toml is" "${evaluate[@]}"
cp run/config.toml other/run/
python3 -c 'import json
model = json.load(open("other/run/model.json"))
model["seed"] = 2
del model["xxh3_128"]
json.dump(model, open("other/run/model.json", "w"))'
found "the hash of run/model.json is" sample run --output s.h5
cp run/model.json other/run/
tail -c 48 images | idx labels 01 48
(cd other && expect 0 "$elbow" data import idx --images ../images --labels ../labels --output labelled.h5 --split train)
found "the fingerprint of the labels is" encode run --data d.h5:/train/images --labels labelled.h5:/train/labels
[[ ! -e e.json && ! -e s.h5 && ! -e run/codes.h5 ]] || fail "a refused command wrote something"
rm -rf run

# 15. Parts of a data set that have another shape, or another type; alone and as two ranks.
mkdir parts
cp d.h5 parts/a.h5
pictures 54 | head -c 3456 | idx wide 03 48 8 9
expect 0 "$elbow" data import idx --images wide --output parts/b.h5 --split train
for command in "$elbow" "${mpi[*]} -n 2 $elbow"; do
  read -ra words <<<"$command"
  expect 3 "${words[@]}" train --config c.toml --run run --data.train 'parts/*.h5:/train/images'
  says "parts/b.h5:/train/images"
  says "[8, 9]"
  [[ ! -e run ]] || fail "unreadable data left a run directory"
done
rm parts/b.h5
awk 'BEGIN { for (i = 0; i < 3072; ++i) print i % 7 / 7 }' | "$FAULT_TOOLS/faults_floats" parts/b.h5 /train/images 48 8 8
expect 3 "$elbow" train --config c.toml --run run --data.train 'parts/*.h5:/train/images'
says "parts/b.h5:/train/images"
says "float32"
finish
