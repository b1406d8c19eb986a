#!/usr/bin/env bash
# A crash, or a disk that fails, at each single call of a training that changes a file. Rows 1 to 3 and 5 of what a run
# survives: it is killed before and after each call and half-way through each write, and goes on to the same bits; where
# the disk is full or broken it says so, goes on as far as it can, and nothing that was there is lost.
source "${BASH_SOURCE[0]%/*}/common.sh"
jobs=${FAULT_JOBS:-2}
pace=15

# train FOLDER [VARIABLE=VALUE...]: the run in FOLDER, paced so that its calls come in the same order every time.
train() {
  local folder=$1
  shift
  timeout 60 env "$@" LD_PRELOAD="$FAULT_TOOLS/faults_syscalls.so" FAULT_UNDER="$PWD/$folder" FAULT_PACE=$pace \
    "$elbow" train --config c.toml --run "$PWD/$folder" </dev/null
}

# points KIND: the numbers of the calls at which a fault of this kind is tried.
points() {
  awk -v kind="$1" -v extent="$extent" '
    { call[NR] = $2; path[NR] = $3 }
    END {
      for (i = 1; i <= NR; ++i) {
        write = call[i] == "write"
        # Of many pieces of a file the first two and the last.
        inner = write && path[i] == path[i - 1] && call[i - 1] == "write" && call[i + 1] == "write" &&
                !(call[i - 2] != "write")
        if (kind == "half" && !write) continue
        if (kind == "kill-after" && write) continue
        if ((kind == "ENOSPC" || kind == "EIO") && (call[i] == "unlink" || call[i] == "ftruncate")) continue
        if (kind == "ENOSPC" && call[i] == "close") continue
        if (kind == "full" && call[i] != "write" && call[i] != "mkdir" && call[i] != "open") continue
        if (kind != "kill-before" && inner) continue
        print i
      }
    }' list
}

# What is wrong with a trial: lines in the file failures.
problem() {
  printf '%s at call %s (%s): %s\n' "$kind" "$n" "$where" "$1" >>failures
  mkdir -p kept
  cp "$folder.1" "kept/$kind-$n.first" 2>/dev/null || true
  cp "$folder.2" "kept/$kind-$n.second" 2>/dev/null || true
}

# The same command again: goes on from the newest checkpoint, and ends as if nothing had been, but for what the
# options of compare_runs.py let pass.
second_run() {
  local newest status=0
  newest=$(newest_step "$folder")
  train "$folder" >"$folder.2" 2>&1 || status=$?
  if [[ $status != 0 ]]; then
    problem "exit code $status of the second run: $(tail -n 1 "$folder.2")"
    return
  fi
  if grep "passing over\|as it was written" "$folder.2" >"$folder.damaged"; then
    problem "a checkpoint was damaged: $(<"$folder.damaged")"
  fi
  if ((newest > 0)) && ! grep -q "is finished" "$folder.2"; then
    grep -q "from step $newest\$" "$folder.2" || problem "not from step $newest: $(head -n 1 "$folder.2")"
  fi
  equal_runs "$folder" reference "$@" >"$folder.differs" || problem "$(<"$folder.differs")"
}

after_kill() {
  [[ $first_status == 137 ]] || problem "exit code $first_status instead of 137"
  second_run
}

# After a call that failed: what is written during the training may fail and the training goes on; at its beginning and
# its end it stops. Both loudly.
after_error() {
  local text="No space left on device" options=()
  [[ $kind != EIO ]] || text="Input/output error"
  # A descriptor that is closed at the end of its owner has nothing left to lose.
  if [[ $where != "close metrics.jsonl" && $where != "close lock" && $where != "close generation-1" ]]; then
    grep -q "$text" "$folder.1" || problem "it did not say so: exit code $first_status, $(tail -n 1 "$folder.1")"
  fi
  local unsaved="the run is not finished: its state after 10 of 10 steps could not be saved"
  case $where in
    # Where the checkpoint of step 9 was held up until step 10, the end tries that once more.
    *staging-10*)
      [[ $first_status == 1 || ($first_status == 0 && $(newest_step "$folder") == 10) ]] ||
        problem "exit code $first_status of a run whose last state is not saved" ;;
    *checkpoints* | "write metrics.jsonl")
      [[ $first_status == 0 || $kind == full ]] || grep -q "$unsaved" "$folder.1" ||
        problem "the training did not go on: $(tail -n 1 "$folder.1")" ;;
  esac
  ((first_status < 124)) || problem "exit code $first_status"
  if ((first_status == 0)) && grep -q "could not be written" "$folder.1"; then options+=(--checkpoint-may-miss); fi
  second_run "${options[@]}"
}

# trial KIND N
trial() {
  kind=$1 n=$2
  folder=$kind-$n
  first_status=0
  { train "$folder" FAULT_AT="$n" FAULT_KIND="$kind" FAULT_HIT="$PWD/$folder.hit" >"$folder.1" 2>&1; } 2>/dev/null ||
    first_status=$?
  if [[ -s $folder.hit ]]; then
    where=$(head -n 1 "$folder.hit" | cut -d' ' -f2- | sed 's/tmp-[0-9a-f-]*/tmp/')
    printf '%s %s\n' "$kind" "$where" >>tried
    case $kind in
      ENOSPC | EIO | full) after_error ;;
      *) after_kill ;;
    esac
  fi
  rm -rf -- "$folder" "$folder".*
}

worker() {
  local i=0 kind n
  while read -r kind n; do
    if ((i++ % jobs == $1)); then trial "$kind" "$n" 2>>noise; fi
  done <plan
}

small_run
train reference FAULT_LIST="$PWD/list" >output 2>&1 || fail "the undisturbed run failed"
[[ $(newest_step reference) == 10 ]] || fail "the undisturbed run has no last checkpoint"
expect 0 equal_runs reference reference

: >plan
for kind in ${FAULT_KINDS:-kill-before kill-after half ENOSPC EIO full}; do
  points "$kind" | sed "s/^/$kind /" >>plan
done
if [[ $extent == small ]]; then
  every=$(($(wc -l <plan) / 50))
  awk -v every="$every" 'NR % every == 3' plan >part && mv part plan
fi
: >failures
: >tried
workers=()
for ((w = 0; w < jobs; ++w)); do
  worker "$w" &
  workers+=($!)
  started+=($!)
done
wait "${workers[@]}"

awk '{ ++of[$1] } END { for (kind in of) printf "%6d %s\n", of[kind], kind }' tried | sort -k2
printf '%d points tried in %d s, %d failures\n' "$(wc -l <tried)" "$SECONDS" "$(wc -l <failures)"
(($(wc -l <tried) >= $(wc -l <plan) * 9 / 10)) || fail "only $(wc -l <tried) of $(wc -l <plan) points were reached"
[[ ! -s failures ]] || { cp failures output && fail "$(wc -l <failures) trials failed"; }
finish
