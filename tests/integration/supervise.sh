#!/usr/bin/env bash
# launch/supervise on one machine, with stand-ins for the training: which ends are followed by another start, and that it
# ends itself whatever it waits for. tests/cluster/supervise.sh tries it with trainings, on several hosts.
source "${BASH_SOURCE[0]%/*}/program.sh"
# A stand-in for mpirun as well, which takes ten seconds to end after a failure.
mkdir bin
cat >bin/mpirun <<'SH'
#!/bin/bash
while [[ $1 != ./program ]]; do shift; done
"$@"
SH
chmod +x bin/mpirun
real_path=$PATH
PATH=$PWD/bin:$PATH
supervise() { timeout 100 "$TESTS_SOURCE_DIR/launch/supervise" --oversubscribe -n 1 "$@"; }

# A program for the ranks: it notes that it was started, and does as it is told.
cat >program <<'SH'
#!/bin/sh
echo started >>starts
eval "$1"
SH
chmod +x program
# starts N: so often it was started; a new count begins.
starts() {
  checks=$((checks + 1))
  [[ $(wc -l <starts) == "$1" ]] || fail "$(wc -l <starts) starts instead of $1"
  rm -rf starts run
}

# Killed before it has made the run directory: tried again, as afterwards.
expect 5 supervise --failures 2 --pause 0 -- ./program 'kill -KILL $$' --run run
says "the training failed (exit code 137), 2 times in a row"
starts 2
expect 0 supervise --pause 0 -- ./program 'test "$(wc -l <starts)" = 3 || kill -USR1 $$' --run run
starts 3
# Any other end without a run directory is the launcher's or the hosts'.
expect 1 supervise --pause 0 -- ./program 'exit 1' --run run
says "the training never began (exit code 1)"
starts 1

# Codes after which no other start helps, and those after which it may.
for code in 2 3 4 126 127; do
  expect "$code" supervise --pause 0 -- ./program "mkdir -p run; exit $code" --run run
  starts 1
done
for code in 1 5 205; do
  expect 5 supervise --failures 2 --pause 0 -- ./program "mkdir -p run; exit $code" --run run
  starts 2
done
expect 127 supervise -- ./missing --run run
says "./missing is not there"

# Nothing is heard of it: neither it nor mpirun ends.
expect 5 supervise --failures 1 --silence 2 -- ./program 'mkdir -p run; exec sleep 1000' --run run
says "nothing has changed in run for 2 s"
starts 1

# Told to stop, with a mpirun that no longer answers: its ranks are ended as well.
PATH=$real_path
"$TESTS_SOURCE_DIR/launch/supervise" --oversubscribe -n 1 --patience 1 -- ./program 'exec sleep 1000' --run run >output 2>&1 &
supervisor=$!
for ((i = 0; i < 100; ++i)); do
  [[ ! -e starts ]] || break
  sleep 0.1
done
mpirun=$(pgrep -P "$supervisor" mpirun)
rank=$(pgrep -P "$mpirun")
kill -STOP "$mpirun"
kill -TERM "$supervisor"
status=0
wait "$supervisor" || status=$?
[[ $status == 75 ]] || fail "exit code $status after SIGTERM with a mpirun that does not answer"
says "mpirun does not end: killing it"
says "stopped; the same command starts from the beginning"
for ((i = 0; i < 50; ++i)); do
  kill -0 "$mpirun" "$rank" 2>/dev/null || break
  sleep 0.1
done
! kill -0 "$mpirun" 2>/dev/null || fail "mpirun lives on"
! kill -0 "$rank" 2>/dev/null || fail "a rank lives on"
finish
