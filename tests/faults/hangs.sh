#!/usr/bin/env bash
# Ranks that stand still: stopped for less than the limit (11), for ever (12), all of them for a while; and collectives left
# out where no comparison tells (13). No job outlives the limit by more than ten seconds, and every rank says why it ends.
source "${BASH_SOURCE[0]%/*}/common.sh"
small_run
sed -i 's/^epochs = 2/epochs = 12/' c.toml
limit_s=8
cat >>c.toml <<TOML
[job]
straggler_after = "2 s"
collective_limit = "$limit_s s"
TOML
expect 0 "$elbow" train --config c.toml --run reference
# So slow that a rank can be met in the middle.
pace=50

# begin N: a job on N ranks, in which some steps are done; $began is when, and ${pids[R]} who rank R is.
begin() {
  local rank
  rm -rf run
  start_job "$1" run
  wait_until "a step" eval '(($(last_reported_step run) > 3))'
  pids=()
  for ((rank = 0; rank < $1; ++rank)); do pids+=("$(process_of_rank "$rank")"); done
  began=$EPOCHREALTIME
}

# The job has ended as a hang does, in time, and nobody stayed behind.
ends_in_time() {
  local took pid deadline
  wait_job
  took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
  checks=$((checks + 1))
  [[ $status == 5 ]] || fail "exit code $status after a hang"
  awk -v took="$took" -v limit="$limit_s" 'BEGIN { exit !(took > limit - 1 && took < limit + 10) }' ||
    fail "it ended after $took s, with a limit of $limit_s s"
  # A process that was killed may take a moment to go.
  deadline=$((SECONDS + 20))
  for pid in "${pids[@]}"; do
    until [[ $(ps -o stat= -p "$pid") =~ ^Z?$ ]]; do
      ((SECONDS < deadline)) || fail "process $pid stayed behind"
      sleep 0.1
    done
  done
}

# waits_of METRIC: what rank 0 tells Prometheus of it.
waits_of() {
  python3 - "$1" <<'PY'
import json, sys, urllib.request
targets = json.load(open("run/targets.json"))
page = urllib.request.urlopen("http://" + targets[0]["targets"][0] + "/metrics", timeout=5).read().decode()
print("\n".join(line for line in page.splitlines() if line.startswith(sys.argv[1] + "{")))
PY
}

# 11. A rank that stands still for a while is named, once, and waited for.
for rank in 1 0; do
  begin 3
  kill -STOP "${pids[rank]}"
  if ((rank == 1)); then
    sleep 3.5
    waits_of elbow_straggler_seconds >waits
    grep -q 'straggler="1"} [2-9]' waits || { cp waits output; fail "the metrics don't name rank 1"; }
    waits_of elbow_stragglers_total | grep -q 'straggler="1"} 1$' || fail "the metrics don't count once"
    checks=$((checks + 2))
  else
    sleep 4
  fi
  kill -CONT "${pids[rank]}"
  wait_job
  [[ $status == 0 ]] || fail "exit code $status after a rank stood still for 4 s"
  says "rank $rank is a straggler: "
  [[ $(grep -c "is a straggler" output) == 1 ]] || fail "it said so more than once"
  grep -q "rank $rank is a straggler" run/log.jsonl || fail "the log does not name it"
  exact run reference
done

# 12. One that stands still for ever ends the job.
for rank in 2 0; do
  begin 3
  kill -STOP "${pids[rank]}"
  ends_in_time
  says "rank $rank "
  for other in 0 1 2; do
    ((other == rank)) || grep -q "^\[rank $other\] error: call [0-9]* (.*rank $rank .* not heard of" output ||
      fail "rank $other did not say which rank was missing, and where"
  done
done

# All ranks suspended for longer than the limit, as a scheduler does, is no hang.
begin 2
kill -STOP "${pids[@]}"
sleep $((limit_s + 2))
kill -CONT "${pids[@]}"
wait_job
[[ $status == 0 ]] || fail "exit code $status after the whole job was suspended"
exact run reference

# 13. Collectives that a rank leaves out where nothing comes after them to tell: the one that ends the program; and several
# in a row of which those that follow look alike.
# left_out RANKS NUMBER COUNT: rank 1 leaves them out.
left_out() {
  rm -rf run
  pids=()
  status=0
  timeout -k 5 60 mpirun -q --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 \
    -x LD_PRELOAD="$FAULT_TOOLS/faults_collectives.so" -x SKIP_RANK=1 -x SKIP_AT="$2" -x SKIP_COUNT="$3" \
    -x SKIP_RENUMBER=1 -x SKIP_TOTAL="$PWD/total" -n "$1" \
    "$elbow" train --config c.toml --run run --training.epochs 2 --checkpoint.every never >output 2>&1 </dev/null ||
    status=$?
}
left_out 2 0 1
[[ $status == 0 ]] || fail "exit code $status of the undisturbed run"
total=$(<total)
left_out 2 "$total" 1
[[ $status == 5 ]] || fail "exit code $status without the collective that ends the program"
says "(job.collective_limit is $limit_s.0 s): rank 0 did not arrive; it has been in call $total (the end of the program) for "
# Of the last ones before it, rank 1 leaves out three and is ahead.
for ((at = total - 2; at < total; ++at)); do
  left_out 5 "$at" 3
  checks=$((checks + 1))
  [[ $status == 5 ]] || fail "exit code $status without the collectives from $at of $total on"
  says "(job.collective_limit is $limit_s.0 s): rank 1 has left it before the others; it has been in "
done
finish
