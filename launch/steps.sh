# shellcheck shell=bash disable=SC2154
# Sourced by the scripts that go through several steps: a heading with the time passed for each, its output in a log,
# and, when it fails, which it was, why, and what to do. The log folder is $logs, which the script sets.

step_number=0

heading() {
  step_number=$((step_number + 1))
  printf '[%2d:%02d] %d. %s' $((SECONDS / 60)) $((SECONDS % 60)) "$step_number" "$1"
}

# report_failure NAME LOG HINT
report_failure() {
  {
    printf '\n%s: step %d failed: %s\n' "${0##*/}" "$step_number" "$1"
    if [[ -s $2 ]]; then
      printf -- '--- the last lines of %s\n' "$2"
      tail -n 25 "$2" | sed 's/^/    /'
      printf -- '---\n'
    fi
    printf 'What to do: %s\n' "$3"
  } >&2
}

# step NAME HINT COMMAND...: quiet, the output goes to a log.
step() {
  local name=$1 hint=$2 log start=$SECONDS
  shift 2
  heading "$name ... "
  log=$logs/$step_number-$(slug "$name").log
  if "$@" >"$log" 2>&1 </dev/null; then
    printf 'done, %d s\n' $((SECONDS - start))
  else
    local status=$?
    printf 'failed\n'
    report_failure "$name" "$log" "$hint"
    exit "$status"
  fi
}

# shown_step NAME HINT COMMAND...: the output is worth watching, and goes straight to the terminal: through a pipe there
# would be no progress bar.
shown_step() {
  local name=$1 hint=$2
  shift 2
  heading "$name"
  printf '\n'
  "$@" || {
    local status=$?
    report_failure "$name" /dev/null "$hint"
    exit "$status"
  }
}

# skipped NAME WHY
skipped() {
  heading "$1 ... "
  printf 'skipped: %s\n' "$2"
}

slug() {
  local text=${1%%[,:(]*}
  text=${text,,}
  printf '%s' "${text//[^a-z0-9]/-}"
}

# Sets mpirun, the command that starts $1 ranks on this machine.
set_mpirun() {
  local cores
  mpirun=(mpirun -n "$1")
  # Hyper-threads of one core count as one to Open MPI, which then refuses a second rank, or to bind it.
  cores=$(lscpu -p=SOCKET,CORE 2>/dev/null | grep -v '^#' | sort -u | wc -l)
  if ((cores < $1 || $(nproc) < $1)); then
    mpirun+=(--oversubscribe --bind-to none)
  fi
  if ((EUID == 0)); then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
}

# Sets configure_flags. Warnings are errors where the compiler is known; another one's new warnings stop no newcomer.
set_configure_flags() {
  configure_flags=()
  grep -q '^VERSION_ID="12"' /etc/os-release 2>/dev/null && grep -q '^ID=debian' /etc/os-release ||
    configure_flags+=(--compile-no-warning-as-error)
}

# link_program PROGRAM: a link to it where the user's shell finds it.
link_program() {
  local link=$HOME/.local/bin/elbow
  if [[ -e $link && ! -L $link ]]; then
    report_failure "link the program" /dev/null "$link is there and no link: move it away, or leave --link out"
    exit 1
  fi
  mkdir -p "${link%/*}"
  ln -sfn "$1" "$link"
}

# say_how_to_call PROGRAM: the last lines of a script that has built it.
say_how_to_call() {
  local found linked
  found=$(command -v elbow) || true
  linked=$(readlink -f "$HOME/.local/bin/elbow") || true
  if [[ -n $found && $(readlink -f "$found") == "$(readlink -f "$1")" ]]; then
    printf 'Call it    elbow --help\n'
    return
  fi
  printf 'Call it    export PATH=%q:$PATH   # in this shell; then: elbow --help\n' "${1%/*}"
  if [[ $linked == "$(readlink -f "$1")" ]]; then
    printf '           New shells find the link in ~/.local/bin, once that is in their PATH: on Debian after the next login.\n'
  else
    printf '           launch/quickstart --link puts a link into ~/.local/bin, where new shells find it.\n'
  fi
}
