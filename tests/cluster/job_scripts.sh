#!/usr/bin/env bash
# What elbow slurm prints, without Slurm: launch/slurm is what it prints, words stay whole whatever is in them, and which
# exit codes bring a job back. srun and scontrol are stand-ins that write down how they were called.
source "${BASH_SOURCE[0]%/*}/../integration/program.sh"
slurm() { "$elbow" slurm --program "$PWD/program" "$@"; }
mkdir bin
printf '#!/bin/bash\nprintf "<%%s>" "$@" >called\nexit "${CODE:-0}"\n' >bin/srun
printf '#!/bin/bash\necho "$*" >>requeued\n' >bin/scontrol
printf '#!/bin/sh\n' >program
chmod +x bin/* program
PATH=$PWD/bin:$PATH

# Each committed script says what printed it.
for script in "$TESTS_SOURCE_DIR"/launch/slurm/*.sh; do
  eval "set -- $(sed -n 's/^# Printed by: elbow //p' "$script")"
  expect 0 "$elbow" "$@"
  same output "$script"
  expect 0 bash -n "$script"
done
((checks >= 15)) || fail "launch/slurm holds fewer scripts than it did"

# Quotes, spaces, dollars, line breaks: what is run is what was asked for.
words=(--config "it's \$HOME/\`c\`.toml" --data.train $'two\nlines\t"\\' --run 'r;u*n' --data.labels '')
slurm train "${words[@]}" >odd.sh
expect 0 bash odd.sh
checks=$((checks + 1))
[[ $(<called) == *"<$PWD/program><train>$(printf '<%s>' "${words[@]}")" ]] || fail "not the words of the command: $(<called)"
[[ $(grep -c '^#SBATCH' odd.sh) == 8 ]] || fail "not 8 lines for sbatch"

# What comes back, and what does not.
slurm --restarts 3 train --config c.toml --run r >job.sh
# ends CODE RESTARTS TIMES: with this code of the ranks, after so many restarts, the job is requeued so many times.
ends() {
  rm -f requeued
  local code=$1
  (($3 == 0)) || code=0
  expect "$code" env CODE="$1" SLURM_JOB_ID=7 SLURM_RESTART_COUNT="$2" bash job.sh
  checks=$((checks + 1))
  [[ $(grep -c '^requeue 7$' requeued 2>/dev/null || true) == "${3/#0/}" || ($3 == 0 && ! -e requeued) ]] ||
    fail "code $1 after $2 restarts: not requeued $3 times"
}
ends 0 0 0
for code in 2 3 4 126 127; do ends $code 0 0; done
for code in 2 3 126 127; do ends $code 1 0; done
# Without a run every start has failed.
for code in 1 4 5 137; do
  ends $code 2 1
  ends $code 3 0
done
ends 75 99 1
# Once there is a run, failures count while they are in a row without a new checkpoint, however often the job came back
# for other reasons.
mkdir -p r/checkpoints/step-00000010 && touch r/run.json
for ((i = 0; i < 3; ++i)); do ends 137 $((90 + i)) 1; done
ends 75 93 1
ends 137 94 0
says "failure 4 in a row without a new checkpoint"
mkdir r/checkpoints/step-00000020
for ((i = 0; i < 3; ++i)); do ends 137 $((95 + i)) 1; done
ends 137 98 0
# What else may stand in that file counts as nothing.
printf 'x[$(touch evaluated)]\n%s\n' r/checkpoints/step-00000020 >r/failures
ends 5 99 1
[[ ! -e evaluated ]] || fail "the file of failures was evaluated"
rm -rf r

# What the job needs is looked at before anything is started.
slurm --before 'cd /' --before 'load nothing # a module' train --config c.toml --run r >failing.sh
expect 127 env SLURM_JOB_ID=7 bash failing.sh
says "elbow slurm: 'load nothing # a module' failed with exit code 127"
slurm --before 'false || true' --before 'set="a b"' train --config c.toml --run r >working.sh
expect 0 env SLURM_JOB_ID=7 bash working.sh
for kind in "train --config c.toml --run r" "evaluate r --data d.h5:/x"; do
  "$elbow" slurm --program ./missing $kind >missing.sh
  rm -f called requeued
  expect 127 env SLURM_JOB_ID=7 bash missing.sh
  says "./missing is not there"
  [[ ! -e called && ! -e requeued ]] || fail "something was started, or requeued"
done

# A member of a sweep is requeued by its own name, not with all of them.
slurm --vary training.seed=4,5 train --config c.toml --run s >sweep.sh
rm -f requeued
mkdir -p s/1-seed=5/checkpoints/step-00000010 && touch s/1-seed=5/run.json
expect 0 env CODE=5 SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=1 bash sweep.sh
[[ $(<requeued) == "requeue 7_1" ]] || fail "requeued: $(<requeued)"
[[ $(<called) == *'<--training.seed><5><--run><s/1-seed=5>' ]] || fail "not the second member: $(<called)"

[[ $(<s/1-seed=5/failures) == $'1\ns/1-seed=5/checkpoints/step-00000010' ]] || fail "the failure was not noted with its run"

# What cannot be meant.
refuses() {
  local text=$1
  shift
  expect 2 "$elbow" slurm "$@"
  says "$text"
}
train=(train --config c.toml --run r)
refuses "the command is missing"
refuses "no option '--node'" --node 2 "${train[@]}"
refuses "did you mean '--config'" train --confg c.toml --run r
refuses "--run DIR is missing" train --config c.toml
refuses "did you mean" --vary trainin.seed=1 "${train[@]}"
refuses "--vary 'training.seed'" --vary training.seed "${train[@]}"
refuses "--vary 'training.seed=1,'" --vary training.seed=1, "${train[@]}"
refuses "--vary is for" --vary training.seed=1 evaluate r --data d.h5:/x
refuses "sbatch takes" --partition "a b" "${train[@]}"
refuses "is no option of sbatch" --sbatch=$'--x\n#SBATCH --y' "${train[@]}"
refuses "--time takes a time" --time "3 epochs" "${train[@]}"
refuses "lengthen --time, or shorten --notice" --time 3 "${train[@]}"
# The build of tests is one for processors; of another program it is not known.
if "$elbow" doctor 2>&1 | grep -q 'NCCL  *not in this build'; then
  refuses "needs a build for GPUs" --gpus 4 "${train[@]}"
  refuses "needs a build for GPUs" "${train[@]}" --training.device cuda
  expect 0 "$elbow" slurm --program elbow --gpus 4 "${train[@]}"
  expect 2 "$elbow" "${train[@]}" --training.device cuda --data.train d.h5:/x
  [[ ! -e r ]] || fail "a run was begun all the same"
fi
finish
