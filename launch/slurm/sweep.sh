#!/bin/bash
# Printed by: elbow slurm --ranks=4 '--time=4 h' --vary=optimizer.rate=1e-3,3e-4 --vary=training.seed=1,2,3 --at-once=2 --program=elbow train --config c.toml --run runs/sweep
#SBATCH --job-name=sweep
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=1
#SBATCH --time=0-04:00:00
#SBATCH --array=0-5%2
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

command=(elbow train --config c.toml)
case $SLURM_ARRAY_TASK_ID in
  0) command+=(--optimizer.rate 1e-3 --training.seed 1 --run runs/sweep/0-rate=1e-3,seed=1) ;;
  1) command+=(--optimizer.rate 1e-3 --training.seed 2 --run runs/sweep/1-rate=1e-3,seed=2) ;;
  2) command+=(--optimizer.rate 1e-3 --training.seed 3 --run runs/sweep/2-rate=1e-3,seed=3) ;;
  3) command+=(--optimizer.rate 3e-4 --training.seed 1 --run runs/sweep/3-rate=3e-4,seed=1) ;;
  4) command+=(--optimizer.rate 3e-4 --training.seed 2 --run runs/sweep/4-rate=3e-4,seed=2) ;;
  5) command+=(--optimizer.rate 3e-4 --training.seed 3 --run runs/sweep/5-rate=3e-4,seed=3) ;;
esac
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
