#!/usr/bin/env bash
# Jobs that are told to stop, or killed: a rank that writes a checkpoint (4), signals of all kinds at any moment (9), a
# rank at random (10). What goes on afterwards ends with the bits of a run that nothing happened to.
source "${BASH_SOURCE[0]%/*}/common.sh"
small_run
sed -i 's/^epochs = 2/epochs = 12/' c.toml
steps=60
RANDOM=${FAULT_SEED:-7}
rounds=4
[[ $extent == full ]] || rounds=1
expect 0 "$elbow" train --config c.toml --run reference

# Rank 0 writes, and sleeps after each line of metrics, so that the others wait in a collective most of the time.
pace=20

# After a job was killed: the newest checkpoint is whole and is gone on from, to the end.
resumes_from_newest() {
  local newest
  newest=$(newest_step run)
  start_job 2 run
  wait_job
  [[ $status == 0 ]] || fail "exit code $status at the end"
  ((newest == 0)) || says "from step $newest"
  ! grep -q "passing over\|as it was written" output || fail "a checkpoint was damaged"
  exact run reference
}

# 4. Rank 0 is killed while it writes a checkpoint, at any place of it; then another rank, in the same situation.
for ((round = 0; round < rounds; ++round)); do
  rm -rf run
  start_job 3 run -x FAULT_SLOW=4
  wait_until "a checkpoint begins" compgen -G "run/checkpoints/.staging-*"
  sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
  kill_rank 0
  wait_job
  [[ $status == 137 ]] || fail "exit code $status after SIGKILL of rank 0"
  newest=$(newest_step run)
  start_job 3 run -x FAULT_SLOW=4
  wait_until "a checkpoint begins" compgen -G "run/checkpoints/.staging-*-2"
  ((newest == 0)) || says "from step $newest"
  sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
  kill_rank 1
  wait_job
  [[ $status == 137 ]] || fail "exit code $status after SIGKILL of rank 1"
  resumes_from_newest
done

# 9. However a job is told to stop, it saves at one step, says so, and ends with 75.
# stopped HOW...: a command that is given $job, the process of mpirun.
to_mpirun() { kill -"$1" "$job"; }
to_rank() { kill -"$2" "$(process_of_rank "$1")"; }
to_all() {
  local pids i
  mapfile -t pids < <(process_of_rank 0 && process_of_rank 1 && process_of_rank 2)
  for i in 1 2 3 4 5; do
    kill -USR1 "${pids[@]}" 2>/dev/null || true  # some may have ended by now
    kill -TERM "${pids[@]}" 2>/dev/null || true
  done
}
twice_to_rank() { to_rank "$@" && to_rank "$@"; }
before=0
stopped() {
  local saved
  start_job 3 run
  wait_until "a step beyond $before" eval "((\$(last_reported_step run) > $before))"
  sleep "0.0$((RANDOM % 10))"
  "$@"
  wait_job
  [[ $status == 75 ]] || fail "exit code $status after $*"
  saved=$(newest_step run)
  says "stopped by a signal after $saved of $steps steps; the state is saved in run"
  [[ $(grep -c "^elbow: " output) == 1 ]] || fail "several ranks said so"
  ((saved > before && saved < steps)) || fail "saved at step $saved"
  [[ $(last_reported_step run) == "$saved" ]] || fail "saved at step $saved, but metrics are of another"
  grep -q '"reason": "stopped by a signal"' run/run.json || fail "run.json does not say why it ended"
  before=$saved
}
for ((round = 0; round < rounds; ++round)); do
  rm -rf run
  before=0
  stopped to_mpirun USR1
  stopped to_rank 1 TERM
  stopped twice_to_rank 2 TERM
  stopped to_rank 0 INT
  stopped to_all
  start_job 2 run
  wait_job
  [[ $status == 0 ]] || fail "exit code $status at the end"
  exact run reference
done

# Told while it prepares: the first step is done, and saved.
for ((round = 0; round < rounds; ++round)); do
  rm -rf run
  start_job 2 run
  wait_until "a run directory" test -e run/lock
  to_mpirun USR1
  wait_job
  [[ $status == 75 ]] || fail "exit code $status after a signal before the first step"
  says "stopped by a signal after"
  resumes_from_newest
done

# Told while the libraries are being loaded, before main: likewise. A command that has nothing to save is ended by it.
early=$FAULT_TOOLS/faults_early_signal.so
rm -rf run
expect 75 env LD_PRELOAD="$early" "$elbow" train --config c.toml --run run
says "stopped by a signal after 1 of $steps steps"
expect 75 mpirun -q --oversubscribe --bind-to none -x LD_PRELOAD="$early" -n 2 "$elbow" train --config c.toml --run run
says "stopped by a signal after 2 of $steps steps"
resumes_from_newest
expect 138 env LD_PRELOAD="$early" "$elbow" evaluate run --data d.h5:/train/images

# Stopped where a validation is due, which the next job makes up for; that one is killed when it has.
rm -rf run eager
sed 's/^every = "4 steps"/every = "1 steps"/' c.toml >eager.toml
expect 0 "$elbow" train --config eager.toml --run eager
expect 75 "$elbow" train --config eager.toml --run run --time-limit "0.001 s"
config=eager.toml start_job 1 run -x FAULT_KIND=kill-after -x FAULT_AT="$(
  cp -r run copy
  env LD_PRELOAD="$FAULT_TOOLS/faults_syscalls.so" FAULT_UNDER="$PWD/copy" FAULT_LIST="$PWD/list" \
    "$elbow" train --config eager.toml --run copy --time-limit "0.001 s" >output 2>&1 || true
  awk '$2 == "write" && $3 == "metrics.jsonl" { print $1; exit }' list
)"
wait_job
[[ $status == 137 ]] || fail "exit code $status instead of a kill"
config=eager.toml start_job 1 run
wait_job
exact run eager

# SIGTERM to mpirun itself: it continues the ranks at once, terminates them after a time (1 s unless told), and kills
# them when that time is over again. What is saved by then is saved; its exit code is its own.
rm -rf run
pace=100 start_job 2 run --mca odls_base_sigkill_timeout 2
wait_until "a step" eval "((\$(last_reported_step run) > 3))"
to_mpirun TERM
wait_job
[[ $status != 0 ]] || fail "exit code 0 after SIGTERM of mpirun"
grep -q '"reason": "stopped by a signal"' run/run.json || fail "run.json does not say why it ended"
[[ $(last_reported_step run) == "$(newest_step run)" ]] || fail "its last step was not saved"
resumes_from_newest

# 10. A rank that dies takes the job down in seconds.
for ((round = 0; round < 2 * rounds; ++round)); do
  rm -rf run
  start_job 3 run
  wait_until "a step" eval "((\$(last_reported_step run) > $((RANDOM % 30))))"
  sleep "0.0$((RANDOM % 10))"
  since=$EPOCHREALTIME
  kill_rank $((RANDOM % 3))
  wait_job
  [[ $status == 137 ]] || fail "exit code $status after SIGKILL"
  [[ $(awk -v a="$since" -v b="$EPOCHREALTIME" 'BEGIN { print (b - a < 5) }') == 1 ]] || fail "it lived on for over 5 s"
  # Every three steps a checkpoint is begun: one may be in the making, and another due.
  reported=$(last_reported_step run)
  ((reported - $(newest_step run) <= 9)) || fail "step $reported was reported, but nothing saved since $(newest_step run)"
  resumes_from_newest
done
finish
