#!/usr/bin/env bash
# The program for GPUs on a machine without one: SCRIPT ELBOW_CUDA FOLDER ELBOW.
# The last is the program for processors that was built from the same objects.
[[ $# == 3 ]] || { echo "usage: $0 ELBOW_CUDA FOLDER ELBOW" >&2; exit 2; }
for_processors=$(realpath "$3")
program=$(realpath "$1")
source "${BASH_SOURCE[0]%/*}/../integration/program.sh" "$program" "$2"

expect 0 ldd "$elbow"
says "libnccl.so.2 => "
says "libtorch_cuda.so => "
! grep -q "not found" output || fail "a library is not found"
[[ $(grep -c "libtorch_cpu.so => .*/cuda/torch/lib/" output) == 1 ]] || fail "LibTorch is not that of the CUDA wheels"

for command in "$elbow doctor" "ranks 2 doctor"; do
  expect 0 $command
  grep -Eq '^  NCCL +[0-9]+\.[0-9]+\.[0-9]+$' output || fail "doctor found no NCCL"
  if [[ ! -e /dev/nvidia0 && ! -e /proc/driver/nvidia/version ]]; then
    says "GPUs              none usable"
    says " ! GPUs: no NVIDIA driver here: training will run on the processor"
  fi
  says "Runs will work"
done

# On the processor it trains as the other program does, bit for bit.
data_set 203
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
validation = 0.1
[model]
latent = 3
widths = [16]
[training]
batch = 32
epochs = 2
TOML
expect 0 ranks 2 train --config c.toml --run run
says "best validation ELBO"
elbow=$for_processors
expect 0 ranks 2 train --config c.toml --run reference
same reference/parameters.safetensors run/parameters.safetensors
finish
