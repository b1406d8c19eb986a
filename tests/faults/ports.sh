#!/usr/bin/env bash
# A port for metrics that somebody has taken (22): said clearly, served at a free one, and training is not touched.
source "${BASH_SOURCE[0]%/*}/common.sh"
small_run
expect 0 "$elbow" train --config c.toml --run reference

python3 - <<'PY' &
import pathlib, socket, time
taken = socket.socket()
taken.bind(("127.0.0.1", 0))
taken.listen()
pathlib.Path("port").write_text(str(taken.getsockname()[1]))
time.sleep(300)
PY
job=$!
started+=("$job")
occupant=$job
wait_until "a port is taken" test -s port
port=$(<port)

for n in 1 3; do
  rm -rf run
  pace=100 start_job "$n" run --map-by :OVERSUBSCRIBE -x "ELBOW_METRICS_PORT=$port"
  wait_for_line "metrics cannot be served at 127.0.0.1:$port"
  free=$(sed -n 's/.*metrics cannot be served at .* and are at 127\.0\.0\.1:\([0-9]*\);.*/\1/p' output | head -n 1)
  [[ -n $free && $free != "$port" ]] || fail "it does not say where the metrics are"
  wait_until "metrics at the port it says" python3 -c '
import sys, urllib.request
page = urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics", timeout=5).read().decode()
assert "elbow_step" in page' "$free"
  wait_job
  [[ $status == 0 ]] || fail "exit code $status"
  exact run reference
done
kill "$occupant"
finish
