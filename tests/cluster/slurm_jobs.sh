#!/usr/bin/env bash
# Slurm: srun, mpirun inside an allocation, launchers that don't belong together; the scripts that elbow slurm prints.
source "${BASH_SOURCE[0]%/*}/slurm.sh"
slurm_up 2
small_run 50
train=("$elbow" train --config c.toml)
expect 0 "${train[@]}" --run reference

expect 0 on head timeout 100 srun -N2 -n3 --mpi=pmix "${train[@]}" --run by-srun
exact by-srun reference
# A smaller mpirun, and a single command, inside an allocation.
expect 0 on head timeout 100 salloc -N2 -n4 mpirun -n 3 "${train[@]}" --run by-mpirun
exact by-mpirun reference
expect 0 on head timeout 100 salloc -N2 -n4 "${train[@]}" --run alone
exact alone reference
# srun without PMIx starts as many trainings as there are tasks.
expect 2 on head timeout 100 srun -N2 -n2 --mpi=none "${train[@]}" --run singletons
says "the launcher meant 2 ranks but MPI sees 1"
says "srun --mpi=pmix"
[[ ! -e singletons ]] || fail "a run was begun all the same"

# submit NAME OPTION... : what elbow slurm prints, to the end of the job; its log in output.
submit() {
  local name=$1
  shift
  "$elbow" slurm --program "$elbow" --output "$name.log" "$@" >"$name.sh" 2>output || fail "no script for $name"
  bash -n "$name.sh" || fail "$name.sh is no shell script"
  expect 0 on head timeout 120 sbatch --wait "$name.sh"
  cp "$name.log" output
}
submit train --nodes 2 --ranks 1 --time '1 h' train --config c.toml --run by-job
exact by-job reference
submit mpirun --nodes 2 --ranks 1 --launcher mpirun train --config c.toml --run by-mpirun-job
exact by-mpirun-job reference
submit evaluate --nodes 2 evaluate by-job --data d.h5:/train/images --samples 2
expect 0 "$elbow" evaluate reference --data d.h5:/train/images --samples 2
same by-job/evaluation.json reference/evaluation.json

# A sweep: a run for each combination, with its own options.
"$elbow" slurm --program "$elbow" --vary training.seed=1,2 --vary 'model.widths=[8],[4,4]' \
  train --config c.toml --run "a sweep" >sweep.sh
expect 0 on head timeout 120 sbatch --wait sweep.sh
exact 'a sweep/0-seed=1,widths=_8_' reference
for member in '1-seed=1,widths=_4,4_' '2-seed=2,widths=_8_' '3-seed=2,widths=_4,4_'; do
  grep -q '"finished": true' "a sweep/$member/run.json" || fail "$member is not finished"
done
grep -q 'seed = 2' 'a sweep/3-seed=2,widths=_4,4_/config.toml' || fail "not the seed of the member"
finish
