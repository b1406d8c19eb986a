# shellcheck shell=bash
# Sourced by the scripts that try the program under Slurm: cluster.sh, and slurm_up.
source "${BASH_SOURCE[0]%/*}/cluster.sh"

# slurm_up N: a controller on head and N nodes of two cores. No systemd, no control groups, no accounting. Jobs in the
# partition 'low' are requeued when one in 'high' wants their nodes.
slurm_up() {
  local i
  cluster_up "$1"
  export SLURM_CONF=$state/slurm.conf
  mkdir -p "$state"/{munge,controller,pmix}
  (umask 077 && head -c 128 /dev/urandom >"$state/munge/key")
  echo "PMIxCliTmpDirBase=$state/pmix" >"$state/mpi.conf"
  cat >"$SLURM_CONF" <<CONF
ClusterName=$CLUSTER
SlurmctldHost=head(10.77.0.254)
SlurmUser=root
AuthInfo=socket=$state/munge/socket
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/spool-%n
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd-%n.pid
SlurmctldLogFile=$PWD/slurmctld.log
SlurmdLogFile=$PWD/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=10
SlurmdTimeout=15
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
NodeName=n[1-$1] NodeAddr=10.77.0.[1-$1] CPUs=2 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=4000
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 GraceTime=20
PartitionName=high Nodes=ALL PriorityTier=2
CONF
  on head munged --key-file="$state/munge/key" --socket="$state/munge/socket" --pid-file="$state/munge/pid" \
    --log-file="$PWD/munged.log" --seed-file="$state/munge/seed" 2>/dev/null
  on head slurmctld -i
  for ((i = 1; i <= $1; ++i)); do
    # Each node has a folder of its own for PMIx, in a place that all call by the same name.
    mkdir -p "$state/spool-n$i" "$state/pmix-n$i"
    nsenter --net="/run/netns/$CLUSTER-n$i" unshare --uts --mount sh -c \
      'hostname "$0"; mount --bind "$1-$0" "$1"; exec slurmd' "n$i" "$state/pmix"
  done
  wait_until 30 "all nodes are idle" eval '[[ $(on head sinfo -h -o "%t %D") == "idle '"$1"'" ]]'
}
