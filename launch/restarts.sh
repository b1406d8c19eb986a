# shellcheck shell=bash
# When a training that ended is started again. launch/supervise sources this file, and the job scripts that elbow slurm
# prints contain what follows the first empty line.

# another_start_may_help CODE STARTS: whether it may, after a training that ended with this code and so many starts before.
another_start_may_help() {
  case $1 in
    2 | 3) return 1 ;;      # usage or configuration, data: it would end alike
    126 | 127) return 1 ;;  # a program, or a library that it needs, is missing
    4) (($2 > 0)) ;;        # the run directory: at first it is not usable, later ranks of a lost host may still hold it
    *) return 0 ;;          # a rank, its host, the network or the launcher failed
  esac
}

# newest_checkpoint RUN: its folder; nothing where there is none.
newest_checkpoint() {
  local folder newest=''
  for folder in "$1"/checkpoints/step-*; do
    [[ ! -d $folder ]] || newest=$folder
  done
  printf '%s' "$newest"
}
