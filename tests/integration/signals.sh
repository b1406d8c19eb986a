#!/usr/bin/env bash
# A run that is interrupted: it stops at a step that all ranks agree on, says so, and starts again.
source "${BASH_SOURCE[0]%/*}/program.sh"

data_set 512
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
[model]
latent = 2
widths = [8]
[training]
batch = 4
epochs = 100000
TOML

# stop SIGNAL RUN: starts two ranks, waits for the first metrics, and sends the signal to mpirun.
stop() {
  mpirun -q --oversubscribe --bind-to none --mca odls_base_sigkill_timeout 5 -n 2 \
    "$elbow" train --config c.toml --run "$2" >output 2>&1 </dev/null &
  local pid=$! i
  for ((i = 0; i < 300; ++i)); do
    [[ ! -s $2/metrics.jsonl ]] || break
    sleep 0.1
  done
  kill "-$1" "$pid"
  status=0
  wait "$pid" || status=$?
}

stop USR1 run
[[ $status == 75 ]] || fail "exit code $status after SIGUSR1"
says "stopped by a signal"
[[ -s run/parameters.safetensors ]] || fail "nothing was saved"
expect 0 "$elbow" evaluate run --data d.h5:/train/images --samples 2

stop TERM run2
[[ $status != 0 ]] || fail "exit code 0 after SIGTERM"
grep -q '"reason": "stopped by a signal"' run2/run.json || fail "run.json does not say why it ended"

# A rank that is killed takes the job down in seconds.
mpirun -q --oversubscribe --bind-to none -n 2 "$elbow" train --config c.toml --run run3 >output 2>&1 </dev/null &
pid=$!
for ((i = 0; i < 300; ++i)); do
  [[ ! -s run3/metrics.jsonl ]] || break
  sleep 0.1
done
victim=$(pgrep -P "$pid" -f "elbow train" | tail -n 1)
kill -KILL "$victim"
start=$SECONDS
status=0
wait "$pid" || status=$?
[[ $status != 0 ]] || fail "exit code 0 after a rank was killed"
((SECONDS - start <= 20)) || fail "the job lived on for $((SECONDS - start)) s"

# What was interrupted starts again and can be brought to its end by the same command.
sed -i 's/epochs = 100000/epochs = 1/' c.toml
expect 4 "$elbow" train --config c.toml --run run3
says "training.epochs: was 100000, now 1"
finish
