#!/usr/bin/env bash
# monitoring/up: the servers answer at 127.0.0.1 and nowhere else, scrape runs that are found either way and what was
# pushed, and end with it; what is missing or taken is said.
source "${BASH_SOURCE[0]%/*}/stack.sh"
waves 256 d.h5
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
[model]
latent = 2
widths = [8]
[training]
batch = 32
epochs = 100000
TOML
folder=$PWD/state
port=$(free_port) gateway_port=$(free_port) grafana_port=$(free_port)
up=("$monitoring/up" --folder "$folder" --port "$port" --gateway-port "$gateway_port" --grafana-port "$grafana_port")

expect 0 "$monitoring/up" --help
says "--gateway-port"
expect 2 "${up[@]}" no-such-run
says "no-such-run is not a folder"
# Without Prometheus, and with its port taken.
mkdir bare
ln -s /usr/bin/python3 bare/
expect 1 env PATH="$PWD/bare" python3 "${up[@]}"
says "prometheus is not installed"
python3 -c "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', $port)); s.listen(); time.sleep(60)" &
holder=$!
started+=("$holder")
within 10 "the port is taken" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
expect 1 "${up[@]}"
says "port $port of 127.0.0.1 cannot be had"
expect 2 "$monitoring/up" --port 65536
says "65536 is not from 1 to 65535"
expect 1 "$monitoring/up" --folder "$PWD/c.toml/state"
says "c.toml/state cannot be written to (Not a directory): choose another --folder"
kill "$holder"
wait "$holder" 2>/dev/null || true

# Grafana is not packaged by Debian: a program of its name says what it was started with, and answers.
mkdir fake
cat >fake/grafana-server <<'PY'
#!/usr/bin/python3
import http.server, json, os, pathlib, sys
pathlib.Path("grafana-started.json").write_text(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ)}))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer((os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"])), Answer).serve_forever()
PY
chmod +x fake/grafana-server

"$elbow" train --config c.toml --run given --time-limit '100 s' >given.log 2>&1 </dev/null &
started+=($!)
within 30 "the run is listed" test -e given/targets.json
PATH=$PWD/fake:$PATH "${up[@]}" given >up.log 2>&1 &
server=$!
started+=("$server")
within 60 "it says what it has started" grep -q "Ctrl-C" up.log
cp up.log output
says "Prometheus   http://127.0.0.1:$port"
says "Grafana      http://127.0.0.1:$grafana_port"
says "--metrics.discovery $folder/targets"
expect 1 "$monitoring/up" --folder "$folder" --port "$(free_port)"
says "another monitoring/up is at work in $folder"
prometheus=http://127.0.0.1:$port
ELBOW_METRICS_DISCOVERY=$folder/targets "$elbow" train --config c.toml --run found --time-limit '100 s' >found.log 2>&1 </dev/null &
started+=($!)
within 60 "the run on the command line is scraped" answers 'up{job="elbow", run="given"} == 1'
within 60 "the run in the discovery folder is scraped" answers 'up{job="elbow", run="found"} == 1'
expect 0 "$monitoring/push" given --gateway "http://127.0.0.1:$gateway_port"
within 60 "what was pushed is scraped" answers 'elbow_result_info{run="given", state="unended"} == 1'
within 60 "the rules are evaluated" answers 'run:elbow_missing_ranks:count{run="found"} == 0'

# Only on this machine: no socket of the three listens anywhere else.
for p in $port $gateway_port $grafana_port; do
  checks=$((checks + 1))
  [[ $(ss -Hltn "sport = :$p" | awk '{print $4}') == "127.0.0.1:$p" ]] || fail "port $p is not that of 127.0.0.1 alone"
done

# What Grafana is given: provisioning whose variables are all set, dashboards that are there.
checks=$((checks + 1))
python3 - "$folder/grafana-started.json" "http://127.0.0.1:$port" <<'PY' || fail "Grafana was not started as it should be"
import json, pathlib, re, sys
environment = json.load(open(sys.argv[1]))["environment"]
provisioning = pathlib.Path(environment["GF_PATHS_PROVISIONING"])
files = list(provisioning.glob("*/*.yml"))
assert len(files) == 2, files
for file in files:
    text = "".join(line for line in file.open() if not line.lstrip().startswith("#"))
    for name in re.findall(r"\$(\w+)", text):
        assert name in environment, f"{file} uses ${name}"
assert environment["PROMETHEUS_URL"] == sys.argv[2]
assert environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
boards = sorted(path.name for path in pathlib.Path(environment["DASHBOARDS_FOLDER"]).glob("*.json"))
assert boards == ["health.json", "performance.json", "training.json"], boards
PY

kill -INT "$server" 2>/dev/null || true
kill -TERM "$server"
status=0
wait "$server" || status=$?
checks=$((checks + 1))
[[ $status == 0 ]] || fail "exit code $status after SIGTERM"
for p in $port $gateway_port $grafana_port; do
  checks=$((checks + 1))
  [[ -z $(ss -Hltn "sport = :$p") ]] || fail "a server still listens at port $p"
done
finish
