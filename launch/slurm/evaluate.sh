#!/bin/bash
# Printed by: elbow slurm --ranks=8 '--time=1 h' --program=elbow evaluate runs/first --data test.h5:/images --samples 1000
#SBATCH --job-name=elbow-evaluate
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=1
#SBATCH --time=0-01:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

for program in srun elbow; do
  command -v "$program" >/dev/null || {
    echo "elbow slurm: $program is not there, or may not be executed, on $HOSTNAME" >&2
    exit 127
  }
done
command=(elbow evaluate runs/first --data test.h5:/images --samples 1000)
exec srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task=1 "${command[@]}"
