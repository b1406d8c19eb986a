#!/usr/bin/env bash
# Runs that earlier versions of the program saved (tests/saved_runs): each model of theirs has the figures that it had then, its
# codes are still there, and a run that was stopped then is brought to its end.
source "${BASH_SOURCE[0]%/*}/program.sh"

# close_figures A B: two evaluation.json agree to rounding, since another processor may round otherwise.
close_figures() {
  checks=$((checks + 1))
  python3 - "$1" "$2" >differences <<'PYTHON' || fail "$1 is not $2: $(<differences)"
import json, math, sys
new, old = (json.load(open(path)) for path in sys.argv[1:])
for figure in "count", "elbo", "reconstruction", "kl", "log_likelihood", "standard_error":
    # Version 0.1.0 called it so where it is of x given c as well.
    a, b = new.get(figure, new.get(figure + "_given_c")), old[figure]
    if (a is None) != (b is None) or a is not None and not math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-4):
        sys.exit(f"{figure} is {a}, it was {b}")
PYTHON
}

for archive in "$program_tests"/../saved_runs/*.tar.xz; do
  version=$(basename "$archive" .tar.xz)
  mkdir "$version"
  tar -C "$version" -xJf "$archive"
  cd "$version"
  for run in runs/*; do
    [[ $run != runs/stopped ]] || continue
    data=d.h5:/train/images labels=()
    [[ $run != runs/volume ]] || data=d.h5:/volumes/images
    case $run in runs/cvae | runs/values | runs/lord) labels=(--labels d.h5:/train/labels) ;; esac
    expect 0 "$elbow" evaluate "$run" --data "$data" "${labels[@]}" --samples 3 --output figures.json
    close_figures figures.json "$run/evaluation.json"
  done
  for run in latent-optimisation glo lord; do
    expect 0 "$elbow" evaluate "runs/$run" --training --parameters last --samples 2
  done
  expect 0 "$elbow" status runs/stopped
  expect 0 "$elbow" train --config c.toml --run runs/stopped
  says "finished after 6 steps"
  cd ..
done
finish
