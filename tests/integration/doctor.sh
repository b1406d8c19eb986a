#!/usr/bin/env bash
# elbow doctor: alone, on several ranks, on hosts of their own, and where something is wrong.
source "${BASH_SOURCE[0]%/*}/program.sh"

nothing_left() {
  checks=$((checks + 1))
  [[ -z $(ls -A here) ]] || fail "the doctor left something behind: $(ls -A here)"
}
mkdir here

expect 0 "$elbow" doctor --run here/runs/new
says "Run directory here/runs/new"
says "folder            $PWD/here"
says "rename            in one step"
says "fsync             16 MiB at "
says "lock              keeps a second job of this host out"
nothing_left
! grep -q '^Hosts' output || fail "hosts are compared where there is one process"

expect 0 ranks 3 doctor --run here/new
says "ranks 0-2, not bound"
says "all_reduce        a million floats in "
nothing_left

# Two ranks on one core.
expect 0 taskset -c "$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')" timeout 120 \
  mpirun -q --oversubscribe --bind-to none -n 2 "$elbow" doctor
if (($(nproc) > 1)); then says "2 ranks with 1 thread each are bound to 1 core: slow"; fi

# A folder that cannot be written.
expect 1 "$elbow" doctor --run /proc/run
says "!! folder: cannot write in /proc"
says "a run would not work here: see the line marked !! above"

# Hosts of their own: ranks with names, and for one of them another file system at the place of the run.
cat >on_host <<'SH'
#!/bin/sh
# on_host COMMAND...: as on the machine n0, n1 ...
exec unshare --uts --mount sh -euc '
  hostname "n$OMPI_COMM_WORLD_RANK"
  mount --bind hosts /etc/hosts
  [ "${BLIND:-}" != "$OMPI_COMM_WORLD_RANK" ] || mount -t tmpfs none here
  exec "$@"' sh "$@"
SH
chmod +x on_host
printf '127.0.0.1 localhost n0 n1\n' >hosts
hosts() { timeout 120 mpirun -q --oversubscribe --bind-to none -n "$1" ./on_host "$elbow" doctor --run here; }

if unshare --uts --mount mount -t tmpfs none here 2>unshare.log; then
  expect 0 hosts 2
  says "n1                rank 1, "
  grep -q '^  n1  *rank 1, .*, clock [-+]\?[0-9.]* [um]s (+- [0-9.]* [um]s)$' output || fail "no clock of n1"
  grep -q '^  n0 - n1  *[0-9.]* [MG]B/s in an all_reduce of one rank each$' output || fail "no link between the hosts"
  says "n1                its ports can be reached from n0"
  says "shared            by all 2 hosts, locks as well"
  nothing_left

  expect 0 hosts 3
  says "n2                not reached from n0: its name is not known"
  says " ! n2: a Prometheus on n0 could not have the metrics of ranks there"

  expect 1 env BLIND=1 bash -c "$(declare -f hosts); elbow='$elbow'; hosts 2"
  says "shared            not seen on n1"
  says "!! shared: ranks there could not write their part of a checkpoint"
  nothing_left

  # A disk in memory, and full.
  expect 1 unshare --mount sh -euc 'mount -t tmpfs -o size=512k none here; exec "$0" doctor --run here' "$elbow"
  says "file system       tmpfs, mounted at $PWD/here, "
  says " ! file system: it lies in memory: a run there is gone when the machine restarts"
  says "fsync             failed"
  says "No space left on device; give a run another folder"
else
  printf 'NOT TRIED, since this user may not make namespaces: hosts of their own (%s)\n' "$(<unshare.log)"
fi

finish
