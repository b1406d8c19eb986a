#!/usr/bin/env bash
# Over three hosts by mpirun: the doctor's table of them, and trainings with the bits of one rank.
source "${BASH_SOURCE[0]%/*}/cluster.sh"
cluster_up 3
small_run 100

# The hosts know each other's names.
for i in 1 2 3; do printf '10.77.0.%d n%d\n' "$i" "$i"; done >hosts
cat >named <<'SH'
#!/bin/sh
exec unshare --mount sh -euc 'mount --bind hosts /etc/hosts; exec "$@"' sh "$@"
SH
chmod +x named
expect 0 on head timeout 100 mpirun --host n1:1,n2:1,n3:1 "$PWD/named" "$elbow" doctor --run runs/new
for host in n1 n2 n3; do
  grep -q "^  $host  *rank [0-2], " output || fail "no line of the host $host"
done
for pair in "n1 - n2" "n1 - n3" "n2 - n3"; do
  grep -q "^  $pair  *[0-9.]* [MG]B/s in an all_reduce of one rank each$" output || fail "no link $pair"
done
says "n2                its ports can be reached from n1"
says "n3                its ports can be reached from n1"
says "shared            by all 3 hosts, locks as well"
checks=$((checks + 6))

expect 0 "$elbow" train --config c.toml --run reference
expect 0 on head timeout 100 mpirun --host n1:1,n2:1,n3:1 "$elbow" train --config c.toml --run run
exact run reference
finish
