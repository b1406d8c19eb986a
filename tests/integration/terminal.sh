#!/usr/bin/env bash
# What a person sees of a training: a line of each epoch, and a live one on a terminal, here a real tmux, which follows its
# width; plain lines elsewhere; less with --quiet, more with --verbose; a summary with what to do next.
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
epochs = 3
[checkpoint]
every = "10 steps"
TOML

# Plain lines: no carriage return, no escape, each said once, and a summary.
expect 0 "$elbow" train --config c.toml --run plain
says "100%  epoch 3/3"
says "finished after 27 steps, 783 samples; in this session 783 samples in "
says "best validation ELBO "
says "next: elbow evaluate plain --training"
! grep -q $'\r\|\x1b' output || fail "control characters in plain lines"
for epoch in 1 2 3; do
  grep -q "^epoch $epoch/3  ELBO -\?[0-9.]* nats (KL [0-9.]*)  validation ELBO -\?[0-9.]*\( (best)\)\?$" output ||
    fail "no line of epoch $epoch"
done
grep -q '^epoch 1/3 .*(best)$' output || fail "the first validation is not the best so far"
[[ $(grep -c '^100%' output) == 1 ]] || fail "the last line is said more than once"
! grep -q 'checkpoint of step' output || fail "the checkpoints are named without --verbose"

expect 0 "$elbow" train --config c.toml --run quiet --quiet
[[ $(wc -l <output) == 1 ]] || fail "--quiet says more than the result"
says "best validation ELBO "
for message in 'epoch 3/3  ELBO' 'finished after 27 steps' 'best validation ELBO'; do
  grep -qF "$message" quiet/log.jsonl || fail "--quiet keeps '$message' out of the log"
done
expect 0 "$elbow" train --config c.toml --run quieter --quiet --data.validation 0
[[ $(wc -l <output) == 1 ]] || fail "--quiet says more than the result"
says "finished after "
expect 0 "$elbow" train --config c.toml --run verbose -v
says "checkpoint of step 10 written"
expect 2 "$elbow" train --config c.toml --run both -q -v
says "excludes"

# terminal COLUMNS COMMAND: in a tmux of its own. seen: what is on its screen now.
terminals=0 socket=
terminal() {
  socket=$PWD/tmux-$((++terminals))
  # What is known of the terminal that the test itself runs in is not known of this one.
  env -u TMUX -u XTERM_VERSION tmux -S "$socket" -f /dev/null new-session -d -x "$1" -y 20 \
    "LC_ALL=C.UTF-8 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 $2; sleep 60"
  tmux -S "$socket" set-option -g window-size manual
}
seen() { tmux -S "$socket" capture-pane -p >screen; }
close_terminal() { tmux -S "$socket" kill-server 2>/dev/null || true; }
trap close_terminal EXIT

# shows WHAT PATTERN: within half a minute.
shows() {
  local i
  for i in {1..150}; do
    seen
    grep -q -- "$2" screen && checks=$((checks + 1)) && return
    sleep 0.2
  done
  cp screen output
  fail "the terminal does not show $1"
}
# live_lines COLUMNS: how many lines of the screen hold the live line, or what is left of one that was wrapped. The lines of
# epochs stay and may well be wrapped: one that fills the screen's width goes on in the next, also beyond the screen's top.
live_lines() {
  awk -v columns="$1" '
    { of_epoch = /^epoch / || (of_epoch && length(before) == columns) || (NR == 1 && !/%/); before = $0 }
    !of_epoch && /[░█%]|nats|samples\/s| left/ { ++count }
    END { print count + 0 }' screen
}
# While the line of an epoch is written there is no live line: the screen is read anew until there is.
fits() {
  local i
  checks=$((checks + 1))
  for i in {1..50}; do
    [[ $(live_lines "$1") == 0 ]] || break
    sleep 0.2
    seen
  done
  [[ $(live_lines "$1") == 1 ]] || { cp screen output; fail "not one live line on $1 columns"; }
  python3 -c 'import sys; sys.exit(max(len(l.rstrip("\n")) for l in open("screen", encoding="utf-8")) >= int(sys.argv[1]) + 1)' "$1" ||
    fail "a line is wider than $1 columns"
}
resize() {
  tmux -S "$socket" resize-window -x "$1" -y 20
  sleep 1
  seen
}

long="train --config c.toml --training.epochs 1000000 --evaluation.every '1000000 epochs'"
for launch in "'$elbow' $long --run tmux1" "mpirun -q --oversubscribe --bind-to none -n 2 '$elbow' $long --run tmux2"; do
  terminal 130 "$launch"
  shows "the whole line" '░  *[0-9]*%  epoch [0-9]*/1000000  [0-9,]* samples/s  ELBO .* nats (.*KL .*)  .* left$'
  fits 130
  resize 60
  fits 60
  grep -q '░  *[0-9]*%  .*ELBO .* nats' screen || { cp screen output; fail "no bar on 60 columns"; }
  ! grep -v '^epoch ' screen | grep -q 'KL' || fail "the terms are shown on 60 columns"
  resize 34
  fits 34
  grep -q '[0-9]*%  .*ELBO .* nats' screen || { cp screen output; fail "no ELBO on 34 columns"; }
  resize 130
  fits 130
  shows "the whole line again" ' samples/s  ELBO .* nats (.*KL .*)  .* left$'
  tmux -S "$socket" send-keys C-c
  shows "how it was stopped" 'the same command resumes from there'
  close_terminal
done

finish
