#!/usr/bin/env bash
# Steps that must not be taken (18): a value that overflows on the one rank that has its sample, a gradient far longer
# than usual. All ranks do the same, whatever their number; it is counted; no statistic is poisoned.
source "${BASH_SOURCE[0]%/*}/common.sh"
small_run

# data VALUE FILE: 48 samples of waves, one value of which is another.
data() {
  awk -v value="$1" 'BEGIN {
    for (i = 0; i < 48; ++i) for (p = 0; p < 64; ++p)
      print (i == 17 && p == 5) ? value : sin((p % 8) * (0.5 + i % 3) + i * 0.7)
  }' | "$FAULT_TOOLS/faults_floats" "$2" /train/images 48 8 8
}
data 1e30 huge.h5
data 1e14 large.h5
data 30 spike.h5
common=(--data.validation 0 --data.values raw --training.epochs 12)
sizes=(1 2 3 5)
[[ $extent == full ]] || sizes=(1 3)
skipped() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["sessions"][-1]["result"]["skipped_steps"])' "$1/run.json"; }

names=(huge large)
[[ $extent == full ]] || names=(large)
for name in "${names[@]}"; do
  rm -f said
  for n in "${sizes[@]}"; do
    # Stop: one message, the same on any number of ranks, before the parameters are touched.
    expect 1 ranks "$n" train --config c.toml --run "$name-stop-$n" "${common[@]}" --data.train $name.h5:/train/images
    [[ $(grep -c "^elbow: " output) == 1 ]] || fail "several ranks said so"
    grep "^elbow: " output >said-now
    grep -q "^elbow: the \(ELBO\|gradient\) is no longer finite at step 4: " said-now || fail "it does not say what happened"
    [[ ! -e said ]] || same said said-now
    mv said-now said
    # Skip: once an epoch, and the rest goes on.
    expect 0 ranks "$n" train --config c.toml --run "$name-$n" "${common[@]}" --data.train $name.h5:/train/images \
      --training.not_finite skip
    says "step 4 is skipped: the "
    [[ $(grep -c "is skipped" output) == 12 ]] || fail "$(grep -c "is skipped" output) steps were skipped, or several ranks said so"
    [[ $(skipped "$name-$n") == 12 ]] || fail "run.json counts $(skipped "$name-$n") skipped steps"
    ! grep -q "null" "$name-$n/metrics.jsonl" || fail "a figure is not finite"
    exact "$name-$n" "$name-1"
  done
done

for n in "${sizes[@]}"; do
  expect 0 ranks "$n" train --config c.toml --run "spike-$n" "${common[@]}" --data.train spike.h5:/train/images --training.spike 3
  says "is skipped: the gradient is "
  (($(skipped "spike-$n") >= 5)) || fail "only $(skipped "spike-$n") spikes were found"
  grep -q "\"skipped_steps\":$(skipped "spike-$n")," "spike-$n/metrics.jsonl" || fail "metrics.jsonl does not count them"
  exact "spike-$n" spike-1
done

# What is usual, and what was skipped, goes on after a stop.
sed -i "s/^validation = 8/validation = 0/; s/^epochs = 2/epochs = 12/; s/^\[data\]/&\nvalues = \"raw\"/; s/d\.h5/spike.h5/" c.toml
sed -i 's/^batch = 8/&\nspike = 3/' c.toml
for step in 22 40; do
  pace=20 start_job 2 run
  wait_until "step $step" eval "((\$(last_reported_step run) >= $step))"
  kill -TERM "$(process_of_rank 1)"
  wait_job
  [[ $status == 75 ]] || fail "exit code $status after SIGTERM"
done
start_job 3 run
wait_job
[[ $status == 0 ]] || fail "exit code $status at the end"
exact run spike-1
finish
