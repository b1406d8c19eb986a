#!/usr/bin/env bash
# elbow status and elbow list, of runs that train, were stopped, killed and finished, and of directories that are damaged
# or meant to do harm.
source "${BASH_SOURCE[0]%/*}/program.sh"

data_set 301
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
validation = 40
[model]
latent = 2
widths = [8]
[training]
batch = 32
epochs = 4
[metrics]
every = "1 steps"
[evaluation]
every = "1 epoch"
[checkpoint]
every = "5 steps"
TOML

# value FIELD: a value of the last JSON, as Python writes it.
value() { python3 -c 'import json, sys; print(eval("json.load(open(\"output\"))" + sys.argv[1]))' "$1"; }
# holds FIELD VALUE
holds() {
  checks=$((checks + 1))
  local found
  found=$(value "$1") || fail "$1 is not there"
  [[ $found == "$2" ]] || fail "$1 is $found instead of $2"
}

# Finished.
expect 0 ranks 2 train --config c.toml --run runs/a/whole
expect 0 "$elbow" evaluate runs/a/whole --data d.h5:/train/images --samples 2
expect 0 "$elbow" status runs/a/whole
says "runs/a/whole: finished "
says "progress    100%; epoch 4 of 4, step 36 of 36"
says "checkpoint  step-00000036, written "
says "evaluation  evaluation.json: log p(x) "
says "next: elbow evaluate runs/a/whole"
expect 0 "$elbow" status runs/a/whole --json
holds '["state"]' finished
holds '["ranks"]' 2
holds '["done"]' 1.0
holds '["steps"]' 36
holds '["epochs"]' 4
holds '["training"]["step"]' 36
holds '["checkpoint"]["step"]' 36
holds '["evaluations"]["evaluation.json"]["count"]' 301
holds '["problems"]' '[]'
best=$(python3 -c 'import json; print(json.load(open("runs/a/whole/run.json"))["sessions"][0]["result"]["best_validation_elbo"])')
holds '["best"]["elbo"]' "$best"

# Stopped after its first step.
expect 75 "$elbow" train --config c.toml --run runs/stopped --time-limit '0.000000001 s'
expect 0 "$elbow" status runs/stopped
says "runs/stopped: stopped by the time limit "
says "progress    3%; epoch 1 of 4, step 1 of 36"
says "next: elbow train --config runs/stopped/config.toml --run runs/stopped"

# In progress, and then killed: the lease tells. Its renewal is made old rather than waited for.
"$elbow" train --config c.toml --run runs/killed --training.epochs 100000 >/dev/null 2>&1 </dev/null &
process=$!
trap 'kill -9 $process 2>/dev/null || true' EXIT
for _ in {1..200}; do
  [[ -f runs/killed/metrics.jsonl && $(wc -l <runs/killed/metrics.jsonl) -gt 40 ]] && break
  sleep 0.1
done
expect 0 "$elbow" status runs/killed
says "runs/killed: running on $(hostname) with 1 rank for "
says "by process $process on $(hostname)"
says " left; epoch "
says "kill -USR1 $process   # on $(hostname): saves and stops"
expect 0 "$elbow" status runs/killed --json
holds '["state"]' running
holds '["seconds_left"] > 0' True
# It stands still, though its lease is renewed.
kill -STOP "$process"
touch -d '10 minutes ago' runs/killed/metrics.jsonl
expect 0 "$elbow" status runs/killed
says ", no figures for 10 min 0"
says " !  no figures for 10 min 0"
says ": an evaluation, or a rank that hangs"
kill -9 "$process"
wait "$process" 2>/dev/null || true
touch -d '2 hours ago' runs/killed/lease.json
expect 0 "$elbow" status runs/killed
says "runs/killed: died without a word 2 h 00 min ago (it ran on $(hostname) with 1 rank)"
sed -i 's/"host":"[^"]*"/"host":"elsewhere"/' runs/killed/lease.json
touch -d '2 hours ago' runs/killed/lease.json
expect 0 "$elbow" status runs/killed
says "runs/killed: silent for 2 h 00 min: it died, is suspended, or its host is cut off (it ran on elsewhere with 1 rank)"

# A damaged checkpoint is named, and the one before it found.
newest=$(ls -d runs/killed/checkpoints/step-* | tail -n 1)
before=$(basename "$(ls -d runs/killed/checkpoints/step-* | tail -n 2 | head -n 1)")
printf x >>"$newest/parameters.safetensors"
expect 0 "$elbow" status runs/killed
says "checkpoint  $before, written "
says " !  $newest/parameters.safetensors: it has "

# The command that status names goes on with the run.
next=$("$elbow" status runs/stopped --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["next"][0])')
expect 0 "$elbow" ${next#elbow }
says "finished after 36 steps"

# Directories that are damaged or hostile: a line each, and no crash.
mkdir -p runs/bad/{empty,garbage,pipe,endless,escape,deep,huge}
: >runs/bad/empty/run.json
printf '{"format_version": 1, "finished": tr' >runs/bad/garbage/run.json
mkfifo runs/bad/pipe/run.json
ln -s /dev/zero runs/bad/endless/run.json
truncate -s 1T runs/bad/huge/run.json
printf '[%.0s' {1..100000} >runs/bad/deep/run.json
printf '{"format_version": 1, "finished": false, "about": {}, "sessions": [{"started": "\\u001b[2J", "ended": "2026-01-31T12:00:00Z", "reason": "\\u001b]0;owned\\u0007\\u009b31m\\u202e", "ranks": -7}]}' >runs/bad/escape/run.json
mkfifo runs/bad/escape/{metrics.jsonl,config.toml,evaluation.json}
mkdir -p runs/bad/escape/checkpoints/step-00000007
mkfifo runs/bad/escape/checkpoints/step-00000007/manifest.json
mkdir $'runs/bad/\xff\x1b[31m'
: >$'runs/bad/\xff\x1b[31m/run.json'
ln -s .. runs/round
ln -s a/whole runs/link
mkdir runs/.hidden
cp runs/stopped/run.json runs/.hidden

for run in empty garbage pipe endless deep huge; do
  expect 4 timeout 20 "$elbow" status runs/bad/$run
  says "runs/bad/$run: damaged"
  says " !  "
done
printf '{"a": %s' "$(head -c 900000 /dev/zero | tr '\0' '[')" >runs/bad/escape/evaluation-deep.json
expect 0 timeout 20 "$elbow" status runs/bad/escape
says "failed "
says "evaluation-deep.json is damaged: nested too deeply"
says ': \u001b]0;owned\u0007\u009b31m\u202e'
clean
expect 0 timeout 20 "$elbow" status runs/bad/escape --json
clean
expect 4 "$elbow" status runs
says "runs is not a run directory: give the directory that 'elbow train --run DIR' made"

expect 0 timeout 60 "$elbow" list runs
clean
says 'runs/bad/\xff\u001b[31m  '
grep -aq '^run  *progress  *best ELBO  *saved  *state$' output || fail "no heading"
[[ $(grep -ac '^runs/' output) == 11 ]] || fail "not 11 runs"
says "damaged: run.json is damaged: nested too deeply"
says "damaged: cannot read run.json: not a regular file"
grep -aq '^runs/a/whole  *100%  *-\?[0-9.]*  *36  *finished ' output || fail "no line of the finished run"
# By their names as they are, so one that cannot be shown so stands elsewhere.
grep -a '^runs/' output | awk '$1 !~ /\\/ {print $1}' >names
[[ $(wc -l <names) == 10 ]] || fail "not 10 plain names"
LC_ALL=C sort -c names || fail "the runs are not sorted"
expect 0 timeout 60 "$elbow" list runs --json
holds '[0]["run"]' runs/a/whole
holds '.__len__()' 11
expect 0 "$elbow" list runs --depth 1
[[ $(grep -ac '^runs/' output) == 2 ]] || fail "not 2 runs"
expect 0 "$elbow" list runs/a/whole
says "100%"
mkdir none
expect 0 "$elbow" list none
says "no runs in none, down to 4 levels"
expect 4 "$elbow" list nowhere
says "nowhere is no folder"

finish
