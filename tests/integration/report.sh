#!/usr/bin/env bash
# elbow report, in a real browser: one run, several, those that are unfinished, damaged, empty, hostile or very long; in
# light, dark, on a phone and printed. With REPORT_SCREENSHOTS=FOLDER its pictures stay there.
source "${BASH_SOURCE[0]%/*}/program.sh"

pages=0
# browser PAGE ARGUMENTS...: Chromium finds no fault with the page.
browser() {
  local shots=()
  pages=$((pages + 1))
  [[ -z ${REPORT_SCREENSHOTS:-} ]] || shots=(--screenshots "$REPORT_SCREENSHOTS/$pages")
  expect 0 timeout 200 /usr/bin/python3 "$TESTS_SOURCE_DIR/tests/integration/report_browser.py" "$@" "${shots[@]}"
}

pictures 512 | idx images 03 512 8 8
/usr/bin/python3 -c 'import sys; sys.stdout.buffer.write(bytes(i % 3 for i in range(512)))' | idx labels 01 512
expect 0 "$elbow" data import idx --images images --labels labels --output d.h5 --split train
train() {
  local run=$1
  shift
  "$elbow" train --run "$run" --data.train d.h5:/train/images --model.widths '[16]' --training.batch 32 \
    --metrics.every '2 steps' "$@"
}

# Whole: evaluated, drawn, encoded.
expect 0 train good --model.latent 3 --training.epochs 6
expect 0 "$elbow" evaluate good --data d.h5:/train/images --samples 20
expect 0 "$elbow" sample good
expect 0 "$elbow" traverse good
expect 0 "$elbow" encode good --data d.h5:/train/images --labels d.h5:/train/labels
expect 0 "$elbow" report good
says "good/report.html  1 run,"
browser good/report.html --expect "Log p(x)" --expect "Where rank 0 spent its time" --expect "KL per unit" \
  --expect "of 3 units are active" --expect "Classes" --expect "Traversal" --expect "model.latent" --expect "finished" \
  --expect "over samples" --refuse "What is missing"

# Stopped and taken up again by two ranks; not evaluated, not drawn.
expect 75 train restarted --training.epochs 100000 --time-limit '2 s'
expect 75 timeout 120 mpirun -q --oversubscribe --bind-to none -n 2 "$elbow" train --run restarted \
  --data.train d.h5:/train/images --model.widths '[16]' --training.batch 32 --training.epochs 100000 \
  --metrics.every '2 steps' --time-limit '2 s'
expect 0 "$elbow" report restarted
says "elbow evaluate restarted"
says "elbow encode restarted"
browser restarted/report.html --expect "stopped by the time limit" --expect "on 1, then 2 ranks" --expect "unfinished" \
  --expect "What is missing" --expect "elbow sample restarted"

# Side by side, in a file of its own.
expect 0 "$elbow" report good restarted --output both.html
browser both.html --expect "2 runs: good, restarted" --expect "Those in which the runs differ" --expect "model.latent"
expect 0 ranks 2 report good/ good
[[ -s report.html ]] || fail "no report of two runs"
browser report.html --expect "2 runs"

# Of x given c, and of a categorical z: called so, and not compared with log p(x).
cp -r good given
sed -i 's/"log_likelihood"/"log_likelihood_given_c"/; s/"bits_per_dim"/"bits_per_dim_given_c"/' given/evaluation.json
sed -i 's/"validation_log_likelihood"/"validation_log_likelihood_given_c"/' given/metrics.jsonl
sed -i 's/^prior = .*/prior = "categorical"/' given/config.toml
expect 0 "$elbow" report given
browser given/report.html --expect "Log p(x given c)" --expect "bits per dimension, given c" --expect "vae, latents of [10] values, categorical prior" \
  --refuse "Log p(x)"
expect 0 "$elbow" report good given --output both.html
browser both.html --expect "these are not comparable with each other" --expect "of x given c, nats per sample"

# Hostile: markup in every text that a run holds.
/usr/bin/python3 - <<'PY'
import json, os, shutil
evil = "</script><script>document.title='owned'</script><img src=http://127.0.0.1:1/x onerror=alert(1)>\u2028'\"`{{data}}"
shutil.copytree("good", "hostile")
os.remove("hostile/report.html")
record = json.load(open("hostile/run.json"))
record["about"] = {evil: evil, "data": evil, "elbow": {"a": [evil]}, "__proto__": {"x": 1}}
record["sessions"] = [{k: evil for k in ("started", "ended", "reason", "ranks", "changed", "from_step")}, evil, None, 7]
json.dump(record, open("hostile/run.json", "w"))
config = open("hostile/config.toml").read().replace('"d.h5:/train/images"', json.dumps(evil.replace("\u2028", "")))
open("hostile/config.toml", "w").write(config)
with open("hostile/log.jsonl", "a") as log:
    for level in ("warning", "error", evil):
        log.write(json.dumps({"time": evil, "level": level, "rank": evil, "message": evil}) + "\n")
with open("hostile/metrics.jsonl", "a") as metrics:
    metrics.write(json.dumps({"step": evil, "elbow": evil, evil: 1, "time": {"seconds": evil, evil: evil}}) + "\n")
    metrics.write(json.dumps({"step": 1e308, "samples": -1e308, "elbo": 1e308, "kl": -1e-308, "validation_elbo": evil}) + "\n")
    metrics.write("[" * 50000 + "\n" + "x" * 100000 + "\n")
json.dump({"elbo": 1, "log_likelihood": evil, "__proto__": {"toString": 1}, evil: 3.5,
           "about": {"data": evil, "measure": evil, "missing": evil, "no_likelihood": evil}},
          open("hostile/evaluation-" + evil.replace("/", "_") + ".json", "w"))
shutil.copy("good/samples/samples.png", "hostile/samples/" + evil.replace("/", "_") + ".png")
open("hostile/samples/markup.png", "w").write("<svg onload=alert(1)>")
os.symlink("/etc/passwd", "hostile/samples/link.png")
os.makedirs("hostile/checkpoints/step-" + evil.replace("/", "_"))
PY
expect 0 "$elbow" report hostile
says "markup.png"
says "link.png is a link"
says "hostile/metrics.jsonl: 2 lines left out"
browser hostile/report.html --refuse "<img src=\"http" --refuse "<svg onload" --expect "onerror=alert(1)"
expect 0 "$elbow" report good hostile --output mixed.html
browser mixed.html --refuse "<img src=\"http"

# Damaged: cut off, not JSON, replaced by what never ends.
mkdir damaged
head -c 700 good/metrics.jsonl >damaged/metrics.jsonl
printf '{' >damaged/run.json
printf 'nonsense = = 1\n' >damaged/config.toml
printf 'no HDF5' >damaged/codes.h5
printf '{}' >damaged/evaluation.json
mkfifo damaged/log.jsonl
expect 0 timeout 60 "$elbow" report damaged
says "damaged/run.json is damaged"
says "damaged/config.toml"
says "damaged/codes.h5"
says "damaged/log.jsonl is not a regular file"
browser damaged/report.html --expect "What is missing" --expect "damaged/run.json is damaged"

# As a run is when it has just begun, and where there is none.
mkdir empty
cp good/config.toml empty
printf '{"format_version":1,"finished":false,"about":{},"sessions":[]}' >empty/run.json
: >empty/metrics.jsonl
expect 0 "$elbow" report empty
browser empty/report.html --expect "no session is recorded"
mkdir nothing
expect 4 "$elbow" report nothing
says "is not a run directory"
expect 4 "$elbow" report absent
says "absent does not exist"
expect 2 "$elbow" report
expect 2 "$elbow" report good good good good good good good good good good good good good good good good good
says "at most 16 runs"
expect 1 "$elbow" report good --output absent/r.html
says "choose another --output"

# Long: the page and the memory it takes to make it stay small.
/usr/bin/python3 - "$elbow" <<'PY' || fail "a long metrics.jsonl takes too much"
import json, os, shutil, subprocess, sys, resource
lines = [line for line in open("good/metrics.jsonl") if '"elbo"' in line]
shutil.copytree("good", "long")
with open("long/metrics.jsonl", "w") as out:
    for i in range(200000):
        line = json.loads(lines[i % len(lines)]) if i < len(lines) else line
        line["step"] = i + 1
        line["samples"] = 32 * (i + 1)
        line["time"]["seconds"] = 0.01 * i
        out.write(json.dumps(line) + "\n")
def peak(run):
    before = os.fork()
    if before == 0:
        subprocess.run([sys.argv[1], "report", run], check=True, stdout=subprocess.DEVNULL)
        open("peak", "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
        os._exit(0)
    assert os.waitpid(before, 0)[1] == 0
    return int(open("peak").read())
short, long = peak("good"), peak("long")
size = [os.path.getsize(f"{run}/report.html") for run in ("good", "long")]
print(os.path.getsize("long/metrics.jsonl") >> 20, "MiB of metrics; peak KiB", short, long, "; page bytes", size)
assert long < short + 20000 and size[1] < size[0] + 400000
PY
browser long/report.html --expect "A point of training is the mean of up to 512 lines"
finish
