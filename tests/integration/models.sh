#!/usr/bin/env bash
# Every model of the lecture, with every prior, network, layout and objective: the same bits on one rank, on two, and through a
# run that is stopped on three ranks and resumed on two. (The models whose samples have parameters of their own: rows.sh.)
source "${BASH_SOURCE[0]%/*}/program.sh"
source "$program_tests/every_model.sh"

# model NAME OPTION...
model() {
  local name=$1
  shift
  expect 0 "$elbow" train --config c.toml "$@" --run "$name"
  expect 0 ranks 2 train --config c.toml "$@" --run "$name-2"
  exact "$name" "$name-2"
  expect 75 ranks 3 train --config c.toml "$@" --run "$name-resumed" --time-limit '0.000000001 s'
  expect 0 ranks 2 train --config c.toml "$@" --run "$name-resumed"
  exact "$name" "$name-resumed"
}

every_model model
finish
