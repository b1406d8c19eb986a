# Sourced by the scripts that try the program from outside, as a user would:
#   SCRIPT PROGRAM FOLDER
# $elbow is the program, the working directory an empty folder. A script fails at its first failed
# expectation, saying which.
set -euo pipefail

elbow=$1
program_tests=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
cd "$2"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
checks=0

fail() {
  printf 'FAILED (line %s): %s\n' "${BASH_LINENO[-2]}" "$1" >&2
  [[ ! -s output ]] || tail -n 40 output | sed 's/^/    /' >&2
  exit 1
}

# ranks N ARGUMENTS...: the program on N ranks.
ranks() {
  local n=$1
  shift
  timeout 120 mpirun -q --oversubscribe --bind-to none -n "$n" "$elbow" "$@"
}

# expect CODE COMMAND...: its exit code; what it says is kept in the file output.
expect() {
  local code=$1 status=0
  shift
  "$@" >output 2>&1 </dev/null || status=$?
  checks=$((checks + 1))
  [[ $status == "$code" ]] || fail "exit code $status instead of $code: $*"
}

# says TEXT: the last command said so.
says() {
  checks=$((checks + 1))
  grep -qF -- "$1" output || fail "it did not say: $1"
}

# clean: the last command said nothing that a terminal acts on or that hides other text.
clean() {
  checks=$((checks + 1))
  ! LC_ALL=C grep -aq $'[\x01-\x08\x0b-\x1f\x7f]\|\xc2[\x80-\x9f]\|\xe2\x80[\x8e\x8f\xa8-\xae]' output ||
    fail "control characters of a stranger reach the terminal"
}

same() {
  checks=$((checks + 1))
  cmp "$1" "$2" >&2 || fail "$1 and $2 differ"
}

# equal_runs RUN REFERENCE [WHAT...]: what must be the same bits is; what differs is said otherwise.
equal_runs() { python3 "$program_tests/compare_runs.py" "$@"; }

# exact RUN REFERENCE
exact() {
  checks=$((checks + 1))
  equal_runs "$@" >differences || fail "$1 is not as $2: $(<differences)"
}

# process_of_rank R: its process, in the job that the mpirun $job has started on this machine.
process_of_rank() {
  local pid
  for pid in $(pgrep -P "$job"); do
    if grep -qzx "OMPI_COMM_WORLD_RANK=$1" "/proc/$pid/environ" 2>/dev/null; then
      echo "$pid"
      return
    fi
  done
}

finish() { printf '%d expectations met\n' "$checks"; }

# idx FILE MAGIC DIMENSION...: a header; the values follow on standard input.
idx() {
  local file=$1 magic=$2 d
  shift 2
  {
    printf "\\x00\\x00\\x08\\x$magic"
    for d in "$@"; do
      printf "\\x$(printf %02x $((d >> 24)))\\x$(printf %02x $((d >> 16 & 255)))\\x$(printf %02x $((d >> 8 & 255)))\\x$(printf %02x $((d & 255)))"
    done
    cat
  } >"$file"
}

# pictures N: N grey 8 x 8 images, of stripes whose period and phase vary.
pictures() {
  awk -v n="$1" 'BEGIN {
    for (i = 0; i < n; ++i) for (p = 0; p < 64; ++p)
      printf "%02x", int(127 + 120 * sin((p % 8) * (0.5 + i % 3) + i * 0.7))
  }' | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'
}

# data_set N [OPTIONS]: N of them as d.h5:/train/images.
data_set() {
  pictures "$1" | idx images 03 "$1" 8 8
  expect 0 "$elbow" data import idx --images images --output d.h5 --split train "${@:2}"
}
