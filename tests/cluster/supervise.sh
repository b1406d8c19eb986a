#!/usr/bin/env bash
# launch/supervise: a rank is killed, a host goes, it is told to stop, it gives up; the run ends with the bits of one
# that nothing happened to.
source "${BASH_SOURCE[0]%/*}/cluster.sh"
cluster_up 3
small_run 200
supervise=$TESTS_SOURCE_DIR/launch/supervise
train=(-- "$elbow" train --config c.toml)
expect 0 "$elbow" train --config c.toml --run reference

# supervised OPTION...: on all hosts, in the background.
supervised() {
  start head "$supervise" --agent "$cluster_folder/rsh-agent" --host n1,n2,n3 --pause 1 "$@" \
    "${train[@]}" --run run
}
# ranks_of_session I: how many there were in that session of the run, from 0.
ranks_of_session() { python3 -c "import json; print(json.load(open('run/run.json'))['sessions'][$1]['ranks'])"; }

# A rank is killed, then a host goes, and with it its rank.
supervised
wait_step run 30
kill_rank n2
wait_until 60 "it is started again" grep -q "generation\": 2" run/run.json
says "the training failed (exit code 137)"
wait_step run 80
cut_link n3
wait_until 60 "it goes on on two hosts" grep -q "generation\": 3" run/run.json
says "n3 does not answer: continuing without it"
wait_job 120
[[ $status == 0 ]] || fail "exit code $status at the end"
[[ "$(ranks_of_session 1) $(ranks_of_session 2)" == "3 2" ]] || fail "not on 3 and then on 2 ranks"
exact run reference
mend_link n3

# Told to stop, as by Ctrl-C: saved, and the same command resumes it.
rm -rf run
supervised -n 2
wait_step run 30
kill -INT "$job"
wait_job 60
[[ $status == 75 ]] || fail "exit code $status after SIGINT"
says "stopped by a signal"
supervised
wait_job 120
[[ $status == 0 ]] || fail "exit code $status at the end"
exact run reference

# Given up: every start fails and writes no checkpoint.
rm -rf run
start head "$supervise" -n 1 --failures 2 --pause 1 -- sh -c 'mkdir -p run; kill -KILL $$' --run run
wait_job 90
[[ $status == 5 ]] || fail "exit code $status instead of 5"
says "2 times in a row without a new checkpoint: given up"
# Told to stop while it waits.
start head "$supervise" -n 1 --pause 100 -- sh -c 'mkdir -p run; kill -KILL $$' --run run
wait_until 60 "it waits" grep -q "in 100 s" output
kill -TERM "$job"
wait_job 20
[[ $status == 75 ]] || fail "exit code $status after SIGTERM while it waited"
# Told to stop, it neither saves nor ends.
start head "$supervise" -n 1 --patience 1 -- sh -c 'trap "" USR1; touch started; exec sleep 100' --run run
wait_until 60 "it is started" test -e started
kill -TERM "$job"
wait_job 60
[[ $status == 75 ]] || fail "exit code $status after ranks had to be ended"
says "ending the ranks as they are"
# What another job holds is tried again only after a failure.
rm -rf run
start head "$supervise" -n 1 --failures 3 --pause 1 -- sh -c 'mkdir run && kill -KILL $$; exit 4' --run run
wait_job 90
[[ $status == 5 ]] || fail "exit code $status instead of 5"
rm -rf run

# Not tried again: what would fail alike.
expect 2 "$supervise" -n 1 "${train[@]}" --run run --training.batsh 3
! grep -q "resumes from" output || fail "a misspelt option was tried again"
expect 3 "$supervise" -n 1 "${train[@]}" --run run --data.train missing.h5:/images
mkdir -p other/checkpoints && echo '{' >other/run.json
expect 4 "$supervise" -n 1 "${train[@]}" --run other
expect 1 "$supervise" -n 1 --no-such-option "${train[@]}" --run nowhere
says "the training never began"
expect 2 "$supervise" -n 1 "${train[@]}"
says "no --run DIR"
finish
