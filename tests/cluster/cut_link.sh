#!/usr/bin/env bash
# A host's network is cut in the middle of a training (26): its rank and all others end within the limit, and say which
# link it was; what is started again on the hosts that are left ends with the bits of a run that nothing happened to.
source "${BASH_SOURCE[0]%/*}/cluster.sh"
cluster_up 3
small_run 3000
limit_s=5
cat >>c.toml <<TOML
[job]
link_limit = "$limit_s s"
TOML
expect 0 "$elbow" train --config c.toml --run reference

# ranks_on HOST...: the processes that train there.
ranks_on() {
  local host pid words
  for host in "$@"; do
    for pid in $(ip netns pids "$CLUSTER-$host"); do
      mapfile -d '' -t words <"/proc/$pid/cmdline" 2>/dev/null || continue
      if [[ ${words[1]-} == train ]]; then echo "$pid"; fi
    done
  done
}

start head mpirun --host n1:1,n2:1,n3:1 "$elbow" train --config c.toml --run run
wait_step run 20
[[ $(ranks_on n1 n2 n3 | wc -l) == 3 ]] || fail "the job has not three ranks"
cut_link n2
since=$SECONDS
wait_until $((limit_s + 5)) "no rank is left, on either side" eval '[[ -z $(ranks_on n1 n2 n3) ]]'
says "error: the link between rank 0 and rank 1 is cut: "
printf 'the ranks ended %d s after the cut\n' "$((SECONDS - since))"
# mpirun itself waits for its daemon behind the cut, much longer; supervise.sh tries the flags that shorten that.
kill -KILL "$job" $(pgrep -P "$job") 2>/dev/null || true
wait "$job" 2>/dev/null || true

(($(last_step run) < 3000)) || fail "the run was over before the cut"
expect 0 on head timeout 100 mpirun --host n1:1,n3:1 "$elbow" train --config c.toml --run run
exact run reference
finish
