#!/usr/bin/env bash
# Stalls injected into real runs: a throttled rank, slow reads, a rank that is stopped, a killed job, steps that are not
# finite, checkpoints that crawl, a run that has failed. Each time the panel that should show it does, and the alert that
# should fire fires, and is silent before.
# STACK_TOOLS: where slow_reads.so is, FAULT_TOOLS: where the helpers of tests/faults are; found beside the program in a
# build tree.
source "${BASH_SOURCE[0]%/*}/stack.sh"
build=$(dirname "$elbow")/../../tests
STACK_TOOLS=$(cd "${STACK_TOOLS:-$build/monitoring_stack}" && pwd)
FAULT_TOOLS=$(cd "${FAULT_TOOLS:-$build/faults}" && pwd)
for helper in "$STACK_TOOLS/slow_reads.so" "$FAULT_TOOLS/faults_syscalls.so" "$FAULT_TOOLS/faults_floats"; do
  [[ -e $helper ]] || fail "no $helper: build it, or set STACK_TOOLS and FAULT_TOOLS"
done

waves 512 d.h5
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
[model]
latent = 2
widths = [512, 512]
[training]
batch = 64
epochs = 100000
[evaluation]
every = "never"
[checkpoint]
every = "1 s"
[job]
straggler_after = "3 s"
TOML
start_gateway
start_prometheus 8

# start_run NAME FLAGS OF mpirun... -- OPTIONS...: on two ranks, listed; $job is mpirun.
start_run() {
  local name=$1 flags=()
  shift
  while [[ $1 != -- ]]; do
    flags+=("$1")
    shift
  done
  shift
  mpirun -q --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 "${flags[@]}" -n 2 "$elbow" train --config c.toml \
    --run "$name" --metrics.discovery stack/targets --time-limit '200 s' "$@" >"$name.log" 2>&1 </dev/null &
  job=$!
  started+=("$job")
}

# panel BOARD TITLE RUN RANK: the values that it shows.
panel() {
  python3 "$TESTS_SOURCE_DIR/tests/monitoring_stack/panels.py" --prometheus "$prometheus" --run "$3" --rank "$4" \
    --panel "$2" "$monitoring/grafana/dashboards/$1.json"
}
# shows BOARD TITLE RUN RANK CONDITION: within a minute the panel's largest value, v, is such.
shows() {
  within 60 "panel '$2' of $3 shows: $5" eval \
    "panel '$1' '$2' '$3' '$4' | awk '{ for (i = 1; i <= NF; ++i) if (i == 1 || \$i > v) v = \$i } END { exit !(NF && ($5)) }'"
}
calm() { within 60 "alert $1 is silent" eval "! answers 'ALERTS{alertname=\"$1\"}'"; }

# --- a sound run ------------------------------------------------------------------------------------------------------

start_run live -x LD_PRELOAD="$STACK_TOOLS/slow_reads.so" -x SLOW_WHILE="$PWD/slow" -x SLOW_MS=5 --
shows performance "Samples a second" live '0|1' 'v > 0'
shows performance "Slowness of each rank" live '0|1' 'v < 1.5'
shows performance "Waiting for data" live '0|1' 'v < 0.3'
shows health "Missing ranks" live '0|1' 'v == 0'
shows health "Oldest checkpoint" live '0|1' 'v < 10'
for alert in ElbowStraggler ElbowWaitsForData ElbowRankMissing ElbowNoProgress ElbowWaitsForRank ElbowCheckpointTooOld \
  ElbowElboNotFinite; do
  calm "$alert"
done

# --- a throttled rank: it stands still for three quarters of its time ------------------------------------------------

slow_rank=$(process_of_rank 1)
while kill -STOP "$slow_rank" && sleep 0.12 && kill -CONT "$slow_rank" && sleep 0.04; do :; done 2>/dev/null &
throttle=$!
started+=("$throttle")
shows performance "Slowness of each rank" live 1 'v > 1.5'
shows performance "Waiting for other ranks" live 0 'v > 0.4'
fires ElbowStraggler live ', rank="1"'
checks=$((checks + 1))
! answers 'ALERTS{alertname="ElbowStraggler", rank="0"}' || fail "the rank that waits is taken for the slow one"
kill "$throttle"
wait "$throttle" 2>/dev/null || true
kill -CONT "$slow_rank"
calm ElbowStraggler

# --- a slow disk under the data ---------------------------------------------------------------------------------------

touch slow
shows performance "Waiting for data" live '0|1' 'v > 0.5'
fires ElbowWaitsForData live
rm slow
calm ElbowWaitsForData

# --- a rank that is stopped: the job stands still, and the rank does not answer -----------------------------------------

kill -STOP "$slow_rank"
shows health "Missing ranks" live '0|1' 'v == 1'
shows health "Steps a second, by rank" live 0 'v == 0'
fires ElbowRankMissing live
fires ElbowNoProgress live
fires ElbowWaitsForRank live ', straggler="1"'
shows performance "Waited for" live '0|1' 'v > 3'
kill -CONT "$slow_rank"
calm ElbowRankMissing
calm ElbowNoProgress
calm ElbowWaitsForRank

# --- a job that is killed leaves its entry behind: its ranks are missing -------------------------------------------------

mapfile -t family < <(pgrep -P "$job")
kill -KILL "$job" "${family[@]}"
wait "$job" 2>/dev/null || true
shows health "Missing ranks" live '0|1' 'v == 2'
fires ElbowRankMissing live

# --- steps that are not finite, and checkpoints on a slow disk ----------------------------------------------------------

awk 'BEGIN { for (i = 0; i < 256; ++i) for (p = 0; p < 64; ++p) print (i == 17 && p == 5) ? 1e30 : sin((p % 8) * (0.5 + i % 3) + i) }' |
  "$FAULT_TOOLS/faults_floats" huge.h5 /train/images 256 8 8
start_run bad -x LD_PRELOAD="$FAULT_TOOLS/faults_syscalls.so" -x FAULT_UNDER="$PWD/bad" -x FAULT_SLOW=300 -- \
  --data.train huge.h5:/train/images --data.validation 0 --data.values raw --training.not_finite skip
shows training "Left out" bad '0|1' 'v > 0'
fires ElbowElboNotFinite bad
shows health "Oldest checkpoint" bad '0|1' 'v > 8'
fires ElbowCheckpointTooOld bad
checks=$((checks + 1))
[[ -z $(ls stack/targets/live.json 2>/dev/null) ]] || fail "the entry of the killed job is still there"
calm ElbowRankMissing
for alert in ElbowNoProgress ElbowCheckpointFailed ElbowRunFailed; do is_silent "$alert"; done

# --- a run that such a step has ended: nothing is left to be scraped but what is pushed ---------------------------------

expect 1 "$elbow" train --config c.toml --run ended --data.train huge.h5:/train/images --data.validation 0 --data.values raw
says "finite at step "
expect 0 "$monitoring/push" ended --gateway "$gateway"
fires ElbowRunFailed ended
shows training "How it ended" ended '0|1' 'v == 1'
finish
