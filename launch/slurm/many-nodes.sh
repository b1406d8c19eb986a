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

module load openmpi
command=(elbow train --config c.toml --run runs/first --training.shards 64)
restarts=10
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

starts_before=${SLURM_RESTART_COUNT:-0}
[[ $status != 0 && $notice != end ]] || exit "$status"
# 4 at first says that the run directory is not usable; later, it may be that ranks of a lost node still hold it.
if ((status == 2 || status == 3 || (status == 4 && starts_before == 0))); then
  echo "elbow slurm: exit code $status: starting again would not mend that; see the message above" >&2
  exit "$status"
fi
if ((status != 75 && starts_before >= restarts)); then
  echo "elbow slurm: exit code $status, and $starts_before restarts are enough: see the messages above; sbatch goes on with the run" >&2
  exit "$status"
fi
echo "elbow slurm: exit code $status: back to the queue; the run goes on from its newest checkpoint"
trap '' TERM  # with which Slurm now ends this shell
id=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
scontrol requeue "${id:-$SLURM_JOB_ID}" || {
  echo "elbow slurm: the job may not be put back into the queue: start it again with sbatch" >&2
  exit "$status"
}
