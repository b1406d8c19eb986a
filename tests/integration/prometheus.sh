#!/usr/bin/env bash
# Debian's Prometheus finds the ranks of a real run by its discovery files, scrapes them, and answers
# for them.
source "${BASH_SOURCE[0]%/*}/program.sh"

data_set 512
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
[model]
latent = 2
widths = [8]
[training]
batch = 64
epochs = 100000
[evaluation]
every = "100 steps"
[checkpoint]
every = "1 s"
TOML
mkdir targets
cat >prometheus.yml <<YAML
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: elbow
    honor_labels: true
    file_sd_configs:
      - files: ["$PWD/targets/*.json"]
        refresh_interval: 1s
YAML
expect 0 promtool check config prometheus.yml

# A free port, asked of the system.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address="127.0.0.1:$port" \
  --log.level=warn >prometheus.log 2>&1 &
server=$!
mpirun -q --oversubscribe --bind-to none -n 2 "$elbow" train --config c.toml --run runs/first \
  --metrics.discovery targets --time-limit '90 s' >train.log 2>&1 </dev/null &
job=$!
trap 'kill $server $job 2>/dev/null || true; wait' EXIT

# ask QUERY: the values of the series that answer it, one a line, in the order of ranks.
ask() {
  promtool query instant "http://127.0.0.1:$port" "sort(topk(10, $1))" 2>/dev/null | sed 's/.*=> \([^ ]*\) .*/\1/'
}
# answers QUERY: waits until there is an answer.
answers() {
  local i
  checks=$((checks + 1))
  for ((i = 0; i < 60; ++i)); do
    [[ -z $(ask "$1") ]] || return 0
    sleep 0.5
  done
  cp prometheus.log output
  fail "Prometheus has no answer to: $1"
}

answers 'sum(up{run="first"}) == 2'
for metric in elbow_step elbow_planned_steps elbow_samples_total elbow_epoch elbow_elbo_nats elbow_validation_elbo_nats elbow_learning_rate \
  elbow_gradient_norm elbow_skipped_steps_total elbow_queue_batches elbow_checkpoint_age_seconds \
  elbow_checkpoint_size_bytes elbow_checkpoint_failures_total elbow_world_size elbow_build_info elbow_run_info; do
  answers "count($metric{run=\"first\"}) == 2"
done
answers 'count(elbow_term_nats{run="first"}) == 4'
answers 'count(elbow_phase_seconds_total{run="first"}) == 14'
answers 'sum(elbow_rank{run="first"}) == 1'
answers 'max(elbow_world_size) == 2'
# Both ranks are at the same step, give or take what passes between two scrapes; and the job moves.
answers 'min(rate(elbow_steps_total{run="first"}[10s])) > 0'
answers 'min(elbow_checkpoint_size_bytes) > 1000'
answers 'max(elbow_checkpoint_age_seconds) < 10'
# All phases together are no longer than the time that has passed.
answers 'max(sum by (rank) (rate(elbow_phase_seconds_total{run="first"}[10s]))) < 1.1'

# At the end nothing is left for Prometheus to look for.
kill -USR1 "$job"
status=0
wait "$job" || status=$?
[[ $status == 75 ]] || { tail train.log >output; fail "exit code $status after SIGUSR1"; }
[[ ! -e runs/first/targets.json && -z $(ls targets) ]] || fail "the discovery files were left behind"
kill "$server"
wait "$server" || true
finish
