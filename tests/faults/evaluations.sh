#!/usr/bin/env bash
# An evaluation that is killed, or whose disk is full (24): run again it gives the same bytes, each sample counted once.
source "${BASH_SOURCE[0]%/*}/common.sh"
small_run
expect 0 "$elbow" train --config c.toml --run run
evaluation=("$elbow" evaluate "$PWD/run" --data d.h5:/train/images --output "$PWD/out/e.json" --per-image "$PWD/out/e.h5")
evaluate=("${evaluation[@]}" --samples 7 --block 16)

# counted FOLDER: the evaluation there is of all samples, and the same bytes as the first.
counted() {
  grep -q '"count": *48' "$1/e.json" || fail "not 48 samples: $(head -c 200 "$1/e.json")"
  same "$1/e.json" first/e.json
  same "$1/e.h5" first/e.h5
}
mkdir out
expect 0 env LD_PRELOAD="$FAULT_TOOLS/faults_syscalls.so" FAULT_UNDER="$PWD/out" FAULT_LIST="$PWD/list" "${evaluate[@]}"
mv out first
counted first

# At each call that changes a file; the bytes are the same whatever was there before.
calls=$(wc -l <list)
((calls >= 8)) || fail "only $calls calls"
step=1
[[ $extent == full ]] || step=5
tried=0
for kind in kill-before half ENOSPC EIO; do
  mkdir -p out
  for ((n = 1; n <= calls; n += step)); do
    quietly env LD_PRELOAD="$FAULT_TOOLS/faults_syscalls.so" FAULT_UNDER="$PWD/out" FAULT_AT="$n" FAULT_KIND=$kind \
      "${evaluate[@]}"
    tried=$((tried + 1))
    case $kind in
      kill-before | half) [[ $status == 137 ]] || fail "exit code $status after a kill at call $n" ;;
      *)
        # A call may not have mattered: nothing is said then, and nothing is lost.
        ((status < 124)) || fail "$kind at call $n: exit code $status"
        if [[ $status == 0 ]]; then
          counted out
        else
          grep -q "No space left on device\|Input/output error" output || fail "$kind at call $n: exit code $status, unsaid"
        fi
        ;;
    esac
    for file in out/e.json out/e.h5; do
      [[ ! -e $file ]] || same "$file" "first/${file##*/}"
    done
    expect 0 "${evaluate[@]}"
    counted out
    rm -f out/e.json out/e.h5
  done
  rm -rf out
done
echo "$tried points tried"

# A rank at random, at any moment; again at another number of ranks.
RANDOM=${FAULT_SEED:-7}
rounds=6
[[ $extent == full ]] || rounds=2
mkdir out
for ((round = 0; round < rounds; ++round)); do
  # Enough draws to take a while.
  mpirun -q --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -n 3 "${evaluation[@]}" --samples 100000 --block 4 \
    >output 2>&1 </dev/null &
  job=$!
  started+=("$job")
  wait_until "three ranks" eval '[[ -n $(process_of_rank 2) ]]'
  sleep "0.$((3 + RANDOM % 5))"
  kill_rank $((RANDOM % 3))
  wait_job
  [[ $status == 137 ]] || fail "exit code $status after SIGKILL of a rank"
  expect 0 ranks $((1 + round % 4)) "${evaluate[@]:1}"
  counted out
done

# A rank that stands still for ever ends an evaluation too, in the time that it was given.
mpirun -q --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -n 3 "${evaluation[@]}" --samples 100000 --block 4 \
  --job.collective_limit '4 s' >output 2>&1 </dev/null &
job=$!
started+=("$job")
# Before MPI has begun, nobody watches over a rank.
wait_until "a file that is begun" eval 'compgen -G "out/e.h5.tmp-*" >/dev/null'
kill -STOP "$(process_of_rank 1)"
wait_job
[[ $status == 5 ]] || fail "exit code $status after a rank stood still"
says "rank 1 "
says "(job.collective_limit is 4.0 s)"
expect 2 "${evaluation[@]}" --job.collective_limit 4
says "job.collective_limit"
finish
