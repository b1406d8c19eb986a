#!/usr/bin/env bash
# monitoring/push against a real Pushgateway: runs that are over before anybody looks; those of one name do not replace
# each other; a run that failed is told from one that was stopped.
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
epochs = 2
TOML
expect 0 ranks 2 train --config c.toml --run a/run
expect 0 "$elbow" train --config c.toml --run b/run --training.seed 2
expect 0 "$elbow" evaluate a/run --data d.h5:/train/images --samples 3
expect 75 "$elbow" train --config c.toml --run stopped --time-limit '0.000000001 s'
expect 1 "$elbow" train --config c.toml --run "failed \"/é" --optimizer.rate 1e30
push=("$monitoring/push" --gateway)

expect 1 "${push[@]}" http://127.0.0.1:9 a/run
says "no Pushgateway answers at http://127.0.0.1:9/"
expect 2 "${push[@]}" localhost a/run
says "is no URL"
expect 4 "${push[@]}" http://127.0.0.1:9 .
says "run.json cannot be read"
mkdir later
echo '{"format_version": 2}' >later/run.json
expect 4 "${push[@]}" http://127.0.0.1:9 later
says "is not of format version 1"

start_gateway
expect 0 "${push[@]}" "$gateway" a/run b/run stopped "failed \"/é"
says "run: finished"

# value METRIC FILE [LABELS...]: of the one line of the gateway's page with all of them.
value() {
  local lines
  lines=$(fetch "$gateway/metrics" | grep "^$1{")
  local label
  for label in "${@:2}"; do lines=$(grep -F -- "$label" <<<"$lines"); done
  [[ $(wc -l <<<"$lines") == 1 ]] || fail "not one line of $1 with ${*:2}: $lines"
  echo "${lines##* }"
}
is() {
  checks=$((checks + 1))
  python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(abs(a - b) > 1e-9 * abs(b))' "$1" "$2" || fail "$1 is not $2"
}
figure() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$@"; }

[[ $(fetch "$gateway/metrics" | grep -c '^elbow_result_finished{.*run="run"') == 2 ]] || fail "two runs of one name are not two groups"
for name in a b; do
  is "$(value elbow_result_finished "$PWD/$name/run")" 1
  is "$(value elbow_result_training_elbo_nats "$PWD/$name/run")" \
    "$(grep '"elbo"' "$name/run/metrics.jsonl" | tail -n 1 | sed 's/.*"elbo":\([^,]*\),.*/\1/')"
done
is "$(value elbow_result_ranks "$PWD/a/run")" 2
is "$(value elbow_result_step "$PWD/a/run")" 16
is "$(value elbow_result_validation_elbo_nats "$PWD/a/run")" \
  "$(grep '"best":1' a/run/metrics.jsonl | tail -n 1 | sed 's/.*"validation_elbo":\([^,]*\),.*/\1/')"
for what in elbo log_likelihood kl standard_error; do
  is "$(value elbow_result_nats 'evaluation="evaluation"' "figure=\"$what\"")" "$(figure a/run/evaluation.json $what)"
done
is "$(value elbow_result_bits_per_dim "$PWD/a/run")" "$(figure a/run/evaluation.json bits_per_dim)"
is "$(value elbow_result_failed 'run="stopped"')" 0
is "$(value elbow_result_finished 'run="stopped"')" 0
is "$(value elbow_result_info 'state="stopped"' 'reason="stopped by the time limit"')" 1
is "$(value elbow_result_failed 'failed \"/é')" 1
is "$(value elbow_result_info 'state="failed"' 'no longer finite')" 1

# Lines that a killed job or a lost disk left torn are passed over.
before=$(value elbow_result_step "$PWD/a/run")
printf '{"step":1,"elbo":1}}\n\0\0\0\n[1]\n{"step":99,"elbo' >>a/run/metrics.jsonl
expect 0 "${push[@]}" "$gateway" a/run
is "$(value elbow_result_step "$PWD/a/run")" "$before"

# A gateway that asks for a user and a password: they are sent, and never printed.
cat >guarded.py <<'PY'
import base64, http.server

class Guarded(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers.get("Authorization") == "Basic " + base64.b64encode(b"me:s/cr@t").decode()
        self.send_response(307 if self.path.startswith("/moved") else 202 if known else 401)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

server = http.server.HTTPServer(("127.0.0.1", 0), Guarded)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 guarded.py >port 2>guarded.log &
started+=($!)
within 10 "the guarded gateway listens" test -s port
guarded=127.0.0.1:$(<port)
keeps_secret() {
  checks=$((checks + 1))
  ! grep -qE 's(/|%2F)cr|Traceback' output || fail "the password is printed, or it broke down"
}
expect 0 "${push[@]}" "http://me:s%2Fcr%40t@$guarded" a/run
says "run: finished, http://$guarded"
keeps_secret
expect 1 "${push[@]}" "http://me:s%2Fcr@$guarded" a/run
says "the gateway at http://$guarded/metrics/job/"
says "refuses (401)"
keeps_secret
expect 1 "${push[@]}" "http://me:s%2Fcr%40t@$guarded/moved" a/run
says "refuses (307)"
keeps_secret
expect 1 "${push[@]}" "http://me:s%2Fcr%40t@127.0.0.1:9" a/run
keeps_secret
for url in "http://me:s/cr@t@$guarded" "me:s%2Fcr@$guarded" "http://me:s%2Fcr@" "http://me:s%2Fcr@127.0.0.1:port" "http://[me:s%2Fcr@x"; do
  expect 2 "${push[@]}" "$url" a/run
  says "is no URL"
  keeps_secret
done

# A run that goes on replaces its own results, and only those.
expect 0 "$elbow" train --config c.toml --run stopped
expect 0 "${push[@]}" "$gateway" stopped
is "$(value elbow_result_finished 'run="stopped"')" 1
expect 0 "${push[@]}" "$gateway" --delete stopped
[[ $(fetch "$gateway/metrics" | grep -c '^elbow_result_finished{') == 3 ]] || fail "--delete removes more or less than one run"
finish
