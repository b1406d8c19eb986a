#!/usr/bin/env bash
# The dashboards are those that their source builds, complete; and each query of each panel has data from a real run of two
# ranks, scraped by a real Prometheus.
source "${BASH_SOURCE[0]%/*}/stack.sh"
grafana=$monitoring/grafana
expect 0 /usr/bin/python3 "$grafana/dashboards.py" built
expect 0 diff -r built "$grafana/dashboards"

waves 512 d.h5
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
every = "50 steps"
[checkpoint]
every = "1 s"
TOML
expect 0 ranks 2 train --config c.toml --run short --training.epochs 2
expect 0 "$elbow" evaluate short --data d.h5:/train/images --samples 2
start_gateway
expect 0 "$monitoring/push" short --gateway "$gateway"
start_prometheus 10
mpirun -q --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -n 2 "$elbow" train --config c.toml --run live \
  --metrics.discovery stack/targets --time-limit '100 s' >train.log 2>&1 </dev/null &
started+=($!)
within 60 "both ranks are scraped" answers 'sum(up{job="elbow", run="live"}) == 2'
within 60 "the recording rules have data" answers 'count(run_rank:elbow_slowness:ratio1m{run="live"}) == 2'
expect 0 python3 "$TESTS_SOURCE_DIR/tests/monitoring_stack/panels.py" --prometheus "$prometheus" --wait 40 \
  --run 'live|short' "$grafana"/dashboards/*.json
cat output
# A run that goes on makes no noise.
for alert in ElbowNoProgress ElbowElboNotFinite ElbowCheckpointTooOld ElbowCheckpointFailed ElbowRankMissing ElbowRunFailed; do
  is_silent "$alert"
done
finish
