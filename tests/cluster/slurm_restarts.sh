#!/usr/bin/env bash
# A job that is stopped before its time limit, preempted, requeued, or loses a node comes back by itself and ends with
# the bits of an undisturbed run; one that is cancelled, or fails alike each time, does not.
source "${BASH_SOURCE[0]%/*}/slurm.sh"
slurm_up 3
small_run 2000  # some seconds, so that it is not over before it is preempted
expect 0 "$elbow" train --config c.toml --run reference

# submit RUN OPTION...: a training on two nodes, as $id.
submit() {
  local run=$1
  shift
  "$elbow" slurm --program "$elbow" --nodes 2 --output "$run.log" "$@" train --config c.toml --run "$run" >"$run.sh"
  id=$(on head sbatch --parsable "$run.sh")
  wait_step "$run" 20
}
state_of() { on head scontrol -o show job "$id" | sed 's/.* JobState=\([A-Z_]*\) .*/\1/'; }
field() { on head scontrol -o show job "$id" | sed "s/.* $1=\([^ ]*\) .*/\1/"; }
# idle HOST...: nothing is left there of the steps of jobs.
idle() {
  local host pid
  for host in "$@"; do
    for pid in $(ip netns pids "$CLUSTER-$host"); do
      [[ $(cat "/proc/$pid/comm" 2>/dev/null) != slurmstepd ]] || return 1
    done
  done
}
# comes_back HOST...: the job is in the queue again, for the first time; once it has left these hosts, it need not wait
# for the two minutes that Slurm holds it back.
comes_back() {
  wait_until 60 "the job is back in the queue" eval '[[ $(state_of) == PENDING && $(field Restarts) == 1 ]]'
  wait_until 60 "nothing is left of its first start" idle "$@"
  on head scontrol update JobId="$id" StartTime=now
}
ends_exact() {
  cp "$1.log" output
  wait_until 120 "the job ends" eval '[[ $(state_of) == COMPLETED ]]'
  exact "$1" reference
}

# Told in time, as before the time limit.
submit warned
on head scancel --batch --signal=USR1 "$id"
comes_back n1 n2 n3
cp warned.log output
says "stopped by a signal"
says "exit code 75: back to the queue"
ends_exact warned

# Preempted by a job that wants its nodes.
submit preempted --partition low
on head sbatch --partition high --nodes 3 --exclusive --output /dev/null --wrap 'sleep 5' >output
comes_back n1 n2 n3
cp preempted.log output
says "stopped by a signal"
ends_exact preempted

# Requeued by hand.
submit requeued
on head scontrol requeue "$id"
comes_back n1 n2 n3
ends_exact requeued

# A rank is killed.
submit killed
kill_rank n2
comes_back n1 n2 n3
ends_exact killed

# Cancelled: it does not come back.
submit cancelled
on head scancel "$id"
wait_until 60 "the job is cancelled" eval '[[ $(state_of) == CANCELLED ]]'
[[ $(field Restarts) == 0 ]] || fail "a cancelled job came back"

# What would fail alike is not tried again.
sed 's/^latent = .*/latent = 3/' c.toml >other.toml
"$elbow" slurm --program "$elbow" --output refused.log train --config other.toml --run warned >refused.sh
expect 4 on head timeout 60 sbatch --wait refused.sh
cp refused.log output
says "starting again would not mend that"

# A node's link is cut. Slurm notices, and the job goes on on the nodes that are left.
submit lost
lost=$(field NodeList)
[[ $lost == 'n[1-2]' ]] || fail "the job is not on n1 and n2 but on $lost"
cut_link n2
wait_until 120 "the node is given up" eval '[[ $(on head sinfo -h -n n2 -o %t) == down* ]]'
comes_back n1 n3
ends_exact lost
[[ $(field NodeList) == 'n[1,3]' ]] || fail "it went on on $(field NodeList)"

# A node dies, and with it rank 0 and the job's shell.
submit dead
[[ $(field NodeList) == 'n[1,3]' ]] || fail "the job is not on n1 and n3 but on $(field NodeList)"
mend_link n2
power_off n1
wait_until 120 "the node is given up" eval '[[ $(on head sinfo -h -n n1 -o %t) == down* ]]'
comes_back n2 n3
ends_exact dead
[[ $(field NodeList) == 'n[2-3]' ]] || fail "it went on on $(field NodeList)"
finish
