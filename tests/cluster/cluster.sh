# shellcheck shell=bash
# Sourced by the scripts that try the program on a cluster: network namespaces of this machine are its hosts, each with
# a name, an address and a link that can be cut; mpirun reaches them by rsh-agent, and Slurm is Debian's. Needs root.
# Everything lives in namespaces and a folder of its own, so several clusters can stand side by side.
cluster_folder=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
source "$cluster_folder/../integration/program.sh"
((EUID == 0)) || fail "only root can make network namespaces: run the tests labelled 'cluster' as root, or leave them out with ctest -LE cluster"
for tool in ip nsenter unshare slurmctld slurmd munged; do
  command -v "$tool" >/dev/null || fail "$tool is missing: launch/setup --tests installs it"
done

export CLUSTER=elbow$$
hosts=()
# Sockets have short paths, so not below the folder of the test.
state=$(mktemp -d /tmp/elbow-cluster.XXXXXX)
chmod 755 "$state"

# Whatever happens, no process and no namespace stays behind.
cluster_down() {
  local host pids
  for host in "${hosts[@]}"; do
    mapfile -t pids < <(ip netns pids "$CLUSTER-$host" 2>/dev/null)
    ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null || true
  done
  wait 2>/dev/null || true
  for host in "${hosts[@]}"; do ip netns del "$CLUSTER-$host" || true; done
  rm -rf -- "$state"
}
trap cluster_down EXIT

# cluster_up N: the hosts n1 ... nN at 10.77.0.1 ..., and head at 10.77.0.254, which holds the switch.
cluster_up() {
  local host i
  hosts=(head)
  for ((i = 1; i <= $1; ++i)); do hosts+=("n$i"); done
  for host in "${hosts[@]}"; do
    ip netns add "$CLUSTER-$host"
    ip -n "$CLUSTER-$host" link set lo up
  done
  ip -n "$CLUSTER-head" link add eth0 type bridge
  ip -n "$CLUSTER-head" addr add 10.77.0.254/24 dev eth0
  ip -n "$CLUSTER-head" link set eth0 up
  for ((i = 1; i <= $1; ++i)); do
    ip -n "$CLUSTER-n$i" link add eth0 type veth peer name "to-n$i" netns "$CLUSTER-head"
    ip -n "$CLUSTER-head" link set "to-n$i" master eth0 up
    ip -n "$CLUSTER-n$i" addr add "10.77.0.$i/24" dev eth0
    ip -n "$CLUSTER-n$i" link set eth0 up
  done
  # The hosts share this machine's cores: ranks are neither bound to them nor wait by spinning.
  export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
  export OMPI_MCA_plm_rsh_agent="$cluster_folder/rsh-agent" OMPI_MCA_rmaps_base_oversubscribe=1
}

# enter HOST COMMAND...: this shell, a subshell, becomes the command.
enter() { exec nsenter --net="/run/netns/$CLUSTER-$1" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$@"; }
on() { (enter "$@"); }

# start HOST COMMAND...: in the background; $job is its process, what it says goes to output.
start() {
  enter "$@" >output 2>&1 </dev/null &
  job=$!
}

# kill_rank HOST: one of the trainings there.
kill_rank() {
  local pid words
  for pid in $(ip netns pids "$CLUSTER-$1"); do
    mapfile -d '' -t words <"/proc/$pid/cmdline" || continue
    if [[ ${words[1]-} == train ]]; then
      kill -KILL "$pid"
      return
    fi
  done
  fail "no rank on $1"
}

cut_link() { ip -n "$CLUSTER-$1" link set eth0 down; }
power_off() {
  local pids
  cut_link "$1"
  mapfile -t pids < <(ip netns pids "$CLUSTER-$1")
  kill -KILL "${pids[@]}"
}
mend_link() { ip -n "$CLUSTER-$1" link set eth0 up; }

# wait_until SECONDS WHAT COMMAND...: until the command succeeds.
wait_until() {
  local limit=$1 what=$2 deadline=$((SECONDS + $1))
  shift 2
  checks=$((checks + 1))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "it did not come to pass in $limit s: $what"
    sleep 0.1
  done
}

# wait_job SECONDS: its exit code in $status.
wait_job() {
  wait_until "$1" "the job ends" eval "! kill -0 $job"
  status=0
  wait "$job" || status=$?
}

# last_step RUN: of the last whole line of its metrics; 0 when there is none.
last_step() {
  local step
  step=$(tail -n 1 "$1/metrics.jsonl" 2>/dev/null | sed -n 's/^{"step":\([0-9]*\),.*/\1/p') || true
  echo "${step:-0}"
}
# wait_step RUN STEP: until the run has come so far.
wait_step() { wait_until 60 "$1 at step $2" eval "((\$(last_step $1) >= $2))"; }

# small_run STEPS: a data set of 128 pictures, and c.toml: a run of so many steps, each of 24 samples in six shards.
small_run() {
  data_set 128
  cat >c.toml <<TOML
[data]
train = "d.h5:/train/images"
validation = 8
[model]
latent = 2
widths = [8]
[training]
batch = 24
epochs = $(($1 / 5))
sum = "reproducible"
[evaluation]
every = "50 steps"
validation_samples = 2
[checkpoint]
every = "20 steps"
[metrics]
every = "1 steps"
TOML
}
