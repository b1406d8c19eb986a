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

# A run that goes on replaces its own results, and only those.
expect 0 "$elbow" train --config c.toml --run stopped
expect 0 "${push[@]}" "$gateway" stopped
is "$(value elbow_result_finished 'run="stopped"')" 1
expect 0 "${push[@]}" "$gateway" --delete stopped
[[ $(fetch "$gateway/metrics" | grep -c '^elbow_result_finished{') == 3 ]] || fail "--delete removes more or less than one run"
finish
