# shellcheck shell=bash disable=SC2034
# Sourced by the scripts that injure a running program:
#   SCRIPT PROGRAM FOLDER
# FAULT_TOOLS: where the helpers that CMake builds from this folder are; found beside the program in a build tree.
# FAULT_EXTENT: full, or small: a part that takes less than a minute.
tests=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
source "$tests/../integration/program.sh"
shopt -s nullglob
FAULT_TOOLS=${FAULT_TOOLS:-$(dirname "$elbow")/../../tests/faults}
for helper in faults_syscalls.so faults_collectives.so faults_library.so faults_early_signal.so faults_floats; do
  [[ -e $FAULT_TOOLS/$helper ]] || fail "no $FAULT_TOOLS/$helper: build the target faults, or set FAULT_TOOLS"
done
FAULT_TOOLS=$(cd "$FAULT_TOOLS" && pwd)
extent=${FAULT_EXTENT:-full}

# Whatever happens, no process of ours stays behind.
started=()
end_processes() {
  local pid family=()
  for pid in "${started[@]}"; do
    # Of those that still are ours: a number may have been given anew.
    if [[ -e /proc/$pid && $(ps -o ppid= -p "$pid") -eq $$ ]]; then
      mapfile -t -O 1 family < <(pgrep -P "$pid")
      family[0]=$pid
      kill -KILL "${family[@]}" 2>/dev/null || true
    fi
  done
  wait 2>/dev/null
}
trap end_processes EXIT

# small_run: a data set of 48 pictures and the configuration c.toml of a run of ten steps over 40 of them, with a
# validation, an average, three checkpoints beside the last, of which two are kept.
small_run() {
  data_set 48
  cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
validation = 8
[model]
latent = 2
widths = [8]
[training]
batch = 8
epochs = 2
sum = "reproducible"
average = 0.9
[evaluation]
every = "4 steps"
validation_samples = 2
[checkpoint]
every = "3 steps"
keep = 2
[metrics]
every = "1 steps"
TOML
}

# quietly COMMAND...: its exit code in $status, whatever it is; the shell keeps to itself that a signal ended it.
quietly() {
  status=0
  { "$@" >output 2>&1 </dev/null; } 2>/dev/null || status=$?
}

# newest_step RUN: of the newest folder that bears the name of a checkpoint; 0 when there is none.
newest_step() {
  local folders=("$1"/checkpoints/step-*)
  if ((${#folders[@]} == 0)); then
    echo 0
  else
    echo $((10#${folders[-1]##*-}))
  fi
}

# last_reported_step RUN: of the last whole line of its metrics; 0 when there is none.
last_reported_step() {
  local step
  step=$(tail -n 1 "$1/metrics.jsonl" 2>/dev/null | sed -n 's/^{"step":\([0-9]*\),.*/\1/p') || true
  echo "${step:-0}"
}

# start_job N RUN [FLAGS OF mpirun...]: c.toml on N ranks, in the background; $job is mpirun. What it says goes to output.
start_job() {
  local n=$1 run=$2
  shift 2
  : >output
  mpirun -q --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 \
    -x LD_PRELOAD="$FAULT_TOOLS/faults_syscalls.so" -x FAULT_UNDER="$PWD/$run" -x FAULT_PACE="${pace:-0}" "$@" -n "$n" \
    "$elbow" train --config "${config:-c.toml}" --run "$run" --record-samples >output 2>&1 </dev/null &
  job=$!
  started+=("$job")
}

# Its exit code in $status; one that does not end within ${limit:-120} s is a failure.
wait_job() {
  local deadline=$((SECONDS + ${limit:-120}))
  while kill -0 "$job" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.05; done
  if kill -0 "$job" 2>/dev/null; then fail "the job does not end"; fi
  status=0
  wait "$job" || status=$?
}

# wait_until WHAT COMMAND...: until the command succeeds, while the job lives.
wait_until() {
  local what=$1 deadline=$((SECONDS + 120))
  shift
  while ((SECONDS < deadline)); do
    if "$@" >/dev/null 2>&1; then return; fi
    kill -0 "$job" 2>/dev/null || fail "the job ended before: $what"
    sleep 0.02
  done
  fail "it did not come to pass: $what"
}

wait_for_line() { wait_until "a line '$1'" grep -q -- "$1" output; }

kill_rank() { kill -KILL "$(process_of_rank "$1")"; }
