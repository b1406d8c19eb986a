#!/bin/bash
# Printed by: elbow slurm --nodes=4 --ranks=16 --time=1-00:00:00 '--before=module load openmpi' --program=elbow train --config c.toml --run runs/first --training.shards 64
#SBATCH --job-name=first
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=16
#SBATCH --cpus-per-task=1
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

must_have_worked() {
  local status=$?
  ((status == 0)) || {
    echo "elbow slurm: '$1' failed with exit code $status; where it may, end it with '|| true'" >&2
    exit "$status"
  }
}
module load openmpi
must_have_worked 'module load openmpi'
for program in srun elbow; do
  command -v "$program" >/dev/null || {
    echo "elbow slurm: $program is not there, or may not be executed, on $HOSTNAME" >&2
    exit 127
  }
done
command=(elbow train --config c.toml --run runs/first --training.shards 64)
run=runs/first
restarts=4

# another_start_may_help CODE STARTS: whether it may, after a training that ended with this code and so many starts before.
another_start_may_help() {
  case $1 in
    2 | 3) return 1 ;;      # usage or configuration, data: it would end alike
    126 | 127) return 1 ;;  # a program, or a library that it needs, is missing
    4) (($2 > 0)) ;;        # the run directory: at first it is not usable, later ranks of a lost host may still hold it
    *) return 0 ;;          # a rank, its host, the network or the launcher failed
  esac
}

# newest_checkpoint RUN: its folder; nothing where there is none.
newest_checkpoint() {
  local folder newest=''
  for folder in "$1"/checkpoints/step-*; do
    [[ ! -d $folder ]] || newest=$folder
  done
  printf '%s' "$newest"
}

srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task=1 "${command[@]}" &
job=$!

# The ranks are told to save and stop: by USR1, which Slurm sends to this shell before the time limit; by TERM when it
# ends the job for another reason, and then it decides itself whether the job comes back.
notice=none
pass_on() {
  notice=$1
  kill -USR1 "$job" 2>/dev/null
}
trap 'pass_on limit' USR1
trap 'pass_on end' TERM
# A signal ends the waiting, not the ranks.
while kill -0 "$job" 2>/dev/null; do wait "$job"; done
wait "$job"
status=$?

[[ $status != 0 && $notice != end ]] || exit "$status"
# 138: a rank that was told to stop before it could heed it.
if [[ $status != 75 && $status-$notice != 138-limit ]]; then
  # How many starts in a row failed without a new checkpoint is kept with the run, since this script begins anew.
  newest=$(newest_checkpoint "$run")
  failures=${SLURM_RESTART_COUNT:-0}
  if [[ -e $run/run.json ]]; then
    { read -r failures && read -r since; } 2>/dev/null <"$run/failures" || failures=0
    [[ ${since-} == "$newest" && $failures =~ ^(0|[1-9][0-9]{0,5})$ ]] || failures=0
    printf '%d\n%s\n' $((failures + 1)) "$newest" 2>/dev/null >"$run/failures" || failures=${SLURM_RESTART_COUNT:-0}
  fi
  another_start_may_help "$status" "${SLURM_RESTART_COUNT:-0}" || {
    echo "elbow slurm: exit code $status: starting again would not mend that; see the message above" >&2
    exit "$status"
  }
  ((failures < restarts)) || {
    echo "elbow slurm: exit code $status, failure $((failures + 1)) in a row without a new checkpoint: given up; see the messages above. sbatch of this script resumes the run" >&2
    exit "$status"
  }
fi
echo "elbow slurm: exit code $status: back to the queue; the run resumes from its newest checkpoint"
trap '' TERM  # with which Slurm now ends this shell
id=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
scontrol requeue "${id:-$SLURM_JOB_ID}" || {
  echo "elbow slurm: the job may not be put back into the queue: start it again with sbatch" >&2
  exit "$status"
}
