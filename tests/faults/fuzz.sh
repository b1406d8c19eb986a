#!/usr/bin/env bash
# Files as strangers may have made them: mutants of every kind of file that is read, each read as the program reads it.
# 100,000 by hand, a thousand under ctest, from FAULT_SEED (1). None may end the reading process by a signal, keep it for
# longer or take more memory than fuzz/main.cpp states, or be refused by anything but an error with a message; nothing may
# appear outside. A finding is named, and its mutant kept in READER.found/.
source "${BASH_SOURCE[0]%/*}/common.sh"
fuzz=$FAULT_TOOLS/faults_fuzz
[[ -x $fuzz ]] || fail "no $fuzz: build the target faults_fuzz"

small_run
expect 0 "$elbow" train --config c.toml --run run --checkpoint.keep 1
expect 0 "$elbow" evaluate run --data d.h5:/train/images --samples 2
expect 0 "$elbow" sample run --count 4

mkdir -p seeds/cars
"$fuzz" --write-seeds seeds
data=/train/images
h5repack -l $data:CHUNK=8x8x8 -f $data:SHUF -f $data:GZIP=6 -f $data:FLET d.h5 seeds/packed.h5
h5repack -L -l $data:CHUNK=16x8x8 -f $data:GZIP=1 d.h5 seeds/latest.h5
h5repack -l $data:CHUNK=16x8x8 -f $data:SOFF=0,IN d.h5 seeds/scaled.h5
h5repack -l $data:CHUNK=16x8x8 -f $data:NBIT d.h5 seeds/bits.h5
h5repack -l $data:COMPA d.h5 seeds/compact.h5
gzip -c images >seeds/images.gz
printf 'car_1\ncar_2\n' >seeds/cars/list.txt
cp seeds/car.mat seeds/cars/car_1.mat
cp seeds/packed.mat seeds/cars/car_2.mat
tar -cf seeds/cars.tar -C seeds cars
gzip -c seeds/cars.tar >seeds/cars.tar.gz
# A stranger can compute a hash anew: these two files are read without theirs as well.
sed 's/"xxh3_128"/"no_hash"/' run/model.json >seeds/model.json
sed 's/content_hash/hash_content/' run/parameters.safetensors >seeds/parameters.safetensors

checkpoint=run/checkpoints/step-00000010
declare -A seeds=(
  [hdf5]="d.h5 seeds/packed.h5 seeds/latest.h5 seeds/scaled.h5 seeds/bits.h5 seeds/compact.h5"
  [idx]="images seeds/images.gz"
  [mat]="seeds/car.mat seeds/packed.mat"
  [tar]="seeds/cars.tar seeds/cars.tar.gz"
  [torchscript]=seeds/encoder.pt
  [toml]="c.toml run/config.toml"
  [record]=run/run.json
  [metrics]=run/metrics.jsonl
  [evaluation]=run/evaluation.json
  [log]=run/log.jsonl
  [model]="run/model.json seeds/model.json"
  [safetensors]="run/parameters.safetensors seeds/parameters.safetensors"
  [manifest]=$checkpoint/manifest.json
  [lease]=run/lease.json
  [png]=run/samples/samples.png
)
total=100000
[[ $extent == full ]] || total=1000
each=$((total / ${#seeds[@]} + 1))
findings=0
for reader in "${!seeds[@]}"; do
  mkdir -p "outside/$reader"
  cp -r run "outside/$reader/run"
  checks=$((checks + each))
  # shellcheck disable=SC2086 # names without spaces
  "$fuzz" "$reader" "outside/$reader" "$each" "${FAULT_SEED:-1}" ${seeds[$reader]} || findings=$((findings + 1))
done
((findings == 0)) || fail "$findings readers with findings"
finish
