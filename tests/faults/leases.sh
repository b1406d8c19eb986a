#!/usr/bin/env bash
# Two jobs and one run directory (25): the second is refused while the first lives; what another host left is waited
# for, and taken over when nobody renews it; a job that comes back after it lost the directory writes nothing more.
source "${BASH_SOURCE[0]%/*}/common.sh"
small_run
sed -i "s/^epochs = 2/epochs = 8/" c.toml
expect 0 "$elbow" train --config c.toml --run reference

field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1/lease.json" "$2"; }
# set_field RUN FIELD VALUE
set_field() {
  python3 - "$@" <<'PY'
import json, os, sys
run, field, value = sys.argv[1:]
lease = json.load(open(f"{run}/lease.json"))
lease[field] = json.loads(value)
open(f"{run}/lease.json.new", "w").write(json.dumps(lease) + "\n")
os.rename(f"{run}/lease.json.new", f"{run}/lease.json")
PY
}
# second CODE N [FLAGS OF mpirun...]: the same command on N ranks, while a job has its output in the file output.
second() {
  local code=$1 n=$2 status=0
  shift 2
  timeout 60 mpirun -q --oversubscribe --bind-to none "$@" -n "$n" "$elbow" train --config c.toml --run run \
    >second 2>&1 </dev/null || status=$?
  checks=$((checks + 1))
  [[ $status == "$code" ]] || { cat second >>output && fail "exit code $status of the second job"; }
}

# The first lives.
pace=100
start_job 2 run
wait_until "a step" eval "((\$(last_reported_step run) > 2))"
# Stopped meanwhile, so that on no machine it is over too soon: its lock lives on.
frozen=("$(process_of_rank 0)" "$(process_of_rank 1)")
kill -STOP "${frozen[@]}"
for n in 1 2; do
  second 4 "$n"
  grep -q "another process is training in run" second || fail "the second job does not say why it ends"
  ! grep -q "waiting" second || fail "it was refused only after a wait"
done
kill -CONT "${frozen[@]}"
wait_job
[[ $status == 0 ]] || fail "exit code $status of the first job"
exact run reference

# So it is where there are no locks, but that only a renewal shows that the first lives.
rm -rf run
locks=(-x LD_PRELOAD="$FAULT_TOOLS/faults_syscalls.so" -x FAULT_UNDER="$PWD/run"
  -x FAULT_LOCK_ERROR="$(python3 -c 'import errno; print(errno.ENOSYS)')")
pace=250 start_job 2 run "${locks[@]}"
wait_until "a step" eval "((\$(last_reported_step run) > 2))"
says "run/lock cannot be locked (Function not implemented)"
second 4 1 "${locks[@]}"
grep -q "is training in run: wait for it" second || fail "the second job does not say why it ends"
wait_job
[[ $status == 0 ]] || fail "exit code $status of a job without locks"
exact run reference

# It loses the directory while it trains.
rm -rf run
start_job 2 run
wait_until "a checkpoint" test -e run/checkpoints/step-00000006
set_field run generation 7
saved=$(newest_step run)
wait_job
[[ $status == 4 ]] || fail "exit code $status of a job that lost its directory"
says "this job must not write there any more"
(($(newest_step run) <= saved + 3)) || fail "a checkpoint of step $(newest_step run) after it was lost at $saved"
[[ $(field run generation) == 7 ]] || fail "it took its lease back"
folders=(run/checkpoints/.staging-*)
((${#folders[@]} == 0)) || fail "it left ${folders[*]}"
pace=0 start_job 1 run
wait_job
[[ $status == 0 ]] || fail "exit code $status of the job after it"
[[ $(field run generation) == 8 ]] || fail "the generation is $(field run generation)"
exact run reference

# A job of another host, whose locks are not seen, is stopped as it renews its lease, after it has looked who holds it: a
# second waits, takes over, and goes on. Then the first comes to again, with a lease in its hand.
rm -rf run hit
pace=250 start_job 2 run -x FAULT_NO_LOCKS=1 -x FAULT_RANK=0 -x FAULT_KIND=stop -x FAULT_AT=2 \
  -x FAULT_CALL="rename lease.json.tmp-" -x FAULT_HIT="$PWD/hit"
first=$job
wait_until "a renewal" test -e hit
(($(newest_step run) > 0)) || fail "no checkpoint before the first renewal"
frozen=("$(process_of_rank 0)" "$(process_of_rank 1)")
kill -STOP "${frozen[@]}"
set_field run boot '"another kernel"'
set_field run host '"node7"'
mv output first-output
since=$SECONDS
start_job 3 run -x FAULT_NO_LOCKS=1
wait_for_line "resuming the run in run"
((SECONDS - since >= 19)) || fail "taken over after $((SECONDS - since)) s"
says "was last held by process ${frozen[0]} on host node7, which did not give it back: waiting 20 s"
says "it does not: taking the directory over, as generation 2"
wait_until "a step beyond 20" eval "((\$(last_reported_step run) > 20))"
kill -CONT "${frozen[@]}"
wait_job
[[ $status == 0 ]] || fail "exit code $status of the second job"
exact run reference
job=$first
wait_job
mv first-output output
[[ $status == 4 ]] || fail "exit code $status of the job that came to again"
says "has taken run over (generation 2, this job's is 1)"
exact run reference

if [[ $extent == full ]]; then
  # A job of another host that renews its lease lives.
  rm -rf run
  start_job 2 run
  wait_until "a checkpoint" test -e run/checkpoints/step-00000003
  kill_rank 1
  wait_job
  set_field run boot '"another kernel"'
  (for ((i = 0; i < 40; ++i)); do
    sleep 2
    set_field run renewals "$((1000 + i))"
  done) &
  renewing=$!
  started+=("$renewing")
  second 4 2
  grep -q "is training in run: wait for it" second || fail "the second job does not say why it ends"
  kill "$renewing"
  [[ $(field run generation) == 1 ]] || fail "the generation is $(field run generation)"
fi
finish
