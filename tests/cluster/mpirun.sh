#!/usr/bin/env bash
# Trainings over three hosts by mpirun: the bits of one rank.
source "${BASH_SOURCE[0]%/*}/cluster.sh"
cluster_up 3
small_run 100

expect 0 "$elbow" train --config c.toml --run reference
expect 0 on head timeout 100 mpirun --host n1:1,n2:1,n3:1 "$elbow" train --config c.toml --run run
exact run reference
finish
