#!/usr/bin/env bash
# One training on 4, then 2, 3, 1 and more ranks (20): stopped in the middle of epochs by signals to a rank and by
# SIGKILL. With reproducible sums it ends with the bits of a run on one rank; with fast sums with the same samples in
# the same order.
source "${BASH_SOURCE[0]%/*}/common.sh"
small_run
sed -i 's/^validation = 8/validation = 7/; s/^epochs = 2/epochs = 10/; s/^sum = .*/&\nclip = 50.0\naccumulation = 2/' c.toml
sed 's/^widths = .*/widths = [4]\nnetwork = "convolutional"/' c.toml >convolutional.toml
sed 's/^sum = .*/sum = "fast"/' c.toml >fast.toml
mv c.toml mlp.toml
pace=20

# Runs to its end over these numbers of ranks, interrupted after each but the last; every second time by SIGKILL.
# over RUN SIZES...
over() {
  local run=$1 n i=0 before
  shift
  rm -rf "$run"
  for n in "$@"; do
    before=$(newest_step "$run")
    start_job "$n" "$run"
    if ((++i == $#)); then break; fi
    wait_until "a step beyond $((before + 9))" eval "((\$(last_reported_step $run) > $((before + 9))))"
    case $((i % 4)) in
      1) kill -USR1 "$(process_of_rank $((n - 1)))" ;;
      3) kill -TERM "$(process_of_rank 0)" ;;
      *) kill_rank $((n - 1)) ;;
    esac
    wait_job
    [[ $status == $((i % 2 ? 75 : 137)) ]] || fail "exit code $status on $n ranks"
    (($(newest_step "$run") > before)) || fail "nothing was saved on $n ranks"
  done
  wait_job
  [[ $status == 0 ]] || fail "exit code $status on the last $n ranks"
}

# Of the steps of a run: "step samples".
samples() { python3 - "$1" <<'PY'
import json, sys
for line in open(f"{sys.argv[1]}/metrics.jsonl"):
    values = json.loads(line)
    if "elbo" in values:
        print(values["step"], values["samples"])
PY
}

# exactly_once RUN: each of the 41 samples enters each epoch's steps once, counting for each step what the last session
# that did it has noted.
exactly_once() {
  checks=$((checks + 1))
  python3 - "$1" <<'PY' || fail "not each sample once an epoch"
import collections, pathlib, sys
steps = {}  # step -> generation -> samples
for path in pathlib.Path(sys.argv[1], "consumed").iterdir():
    for line in path.read_text().splitlines():
        step, indices = line.split(":")
        steps.setdefault(int(step), {}).setdefault(path.name[:4], []).extend(map(int, indices.split()))
per_epoch = collections.defaultdict(list)
for step, sessions in steps.items():
    per_epoch[(step - 1) // 6].extend(sessions[max(sessions)])
assert len(per_epoch) == 10, len(per_epoch)
for epoch, used in per_epoch.items():
    assert len(used) == len(set(used)) == 41, (epoch, len(used), len(set(used)))
    assert set(used) == set(per_epoch[0]), epoch
PY
}

networks=(mlp convolutional)
[[ $extent == full ]] || networks=(convolutional)
for config in "${networks[@]/%/.toml}"; do
  expect 0 "$elbow" train --config "$config" --run "reference-$config"
  over run 4 2 3 1
  exact run "reference-$config"
  exactly_once run
  if [[ $extent == full ]]; then
    over run 1 5 2 8 3
    exact run "reference-$config"
  fi
done

# 41 samples in batches of 8, the last of an epoch of 1: each step takes what it takes on one rank.
config=fast.toml
expect 0 "$elbow" train --config $config --run reference-fast
over run 3 1 2
exactly_once run
[[ $(samples run) == "$(samples reference-fast)" ]] || fail "not the same samples in each step"
[[ $(samples run | tail -n 1) == "60 410" ]] || fail "not all samples: $(samples run | tail -n 1)"
python3 - <<'PY' || fail "the ELBO is another"
import json
def elbos(run):
    return [values["elbo"] for values in map(json.loads, open(f"{run}/metrics.jsonl")) if "elbo" in values]
a, b = elbos("run"), elbos("reference-fast")
assert len(a) == len(b) == 60
worst = max(abs(x - y) / abs(y) for x, y in zip(a, b))
assert worst < 1e-3, worst
PY
finish
