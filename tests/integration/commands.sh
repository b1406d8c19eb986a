#!/usr/bin/env bash
# encode, sample, reconstruct, traverse, interpolate and swap: what they write, read by h5py; the same bytes at any number
# of ranks; and what they refuse.
source "${BASH_SOURCE[0]%/*}/program.sh"

# 203 images, as floats without noise in them, in reversed order as well, as bytes, and black and white; 3 classes.
/usr/bin/python3 - <<'PY'
import h5py, numpy
n = 203
i, y, x = numpy.meshgrid(numpy.arange(n), numpy.arange(6), numpy.arange(8), indexing="ij")
bytes_ = (127 + 120 * numpy.sin(x * (0.5 + i % 3) + y * 0.2 + i * 0.7)).astype(numpy.uint8)
with h5py.File("d.h5", "w") as f:
    f["bytes"] = bytes_
    f["floats"] = (bytes_ / 256).astype(numpy.float32)
    f["reversed"] = f["floats"][:][::-1]
    f["binary"] = (bytes_ > 127).astype(numpy.uint8)
    f["labels"] = numpy.arange(n) % 3
    f["five"] = numpy.arange(n) % 5
    f["gaps"] = numpy.arange(n) % 2 * 3 + 1
    f["codes"] = numpy.where(numpy.arange(n) % 2, 3, 60000)
    f["vectors"] = f["floats"][:].reshape(n, 48)
    f["other"] = bytes_[:, :, :7]
    broken = f["floats"][:]
    broken[100, 2, 3] = numpy.nan
    f["broken"] = broken
    broken[:, 2, 3] = numpy.nan
    f["missing"] = broken
PY

train() {
  local name=$1
  shift
  expect 0 "$elbow" train --run "$name" --model.latent 3 --model.widths '[16]' --training.batch 32 --training.epochs 2 \
    --evaluation.every never "$@"
}
train vae --data.train d.h5:/floats --data.values raw
train cvae --data.train d.h5:/bytes --data.labels d.h5:/labels --model.kind cvae
says "elbow encode cvae --data d.h5:/bytes --labels d.h5:/labels"
train lord --data.train d.h5:/bytes --data.labels d.h5:/labels --model.kind lord --model.class_code 4
train fitted --data.train d.h5:/bytes --model.kind latent-optimisation --model.fit_steps 100
train vectors --data.train d.h5:/vectors
train product --data.train d.h5:/floats --data.values raw --model.prior product \
  --model.factors '["categorical 4", "uniform 2"]'
train pixels --data.train d.h5:/binary --model.kind pixelcnn --model.likelihood bernoulli
grep -q "elbow reconstruct" output && fail "a pixelcnn was offered a reconstruction"
given=(--data d.h5:/bytes --labels d.h5:/labels)

# Every command that a finished run names does its work as it stands. What is no picture is written to HDF5.
for run in vae cvae lord fitted vectors product pixels; do
  "$elbow" status "$run" | sed -n '/^next: /,$s/^\(next: \|      \)elbow //p' >next
  (($(wc -l <next) >= 3)) || fail "$run names no commands"
  while read -r words; do
    expect 0 "$elbow" $words
  done <next
done
[[ -s vectors/samples/samples.h5 && -s vectors/samples/reconstructions.h5 ]] || fail "no HDF5 files of vectors"
expect 0 "$elbow" train --run valid --model.widths '[16]' --training.epochs 1 --data.train d.h5:/bytes \
  --data.validation d.h5:/bytes
says "next: elbow evaluate valid --data d.h5:/bytes"

# The same bytes at any number of ranks, some of which have no block at all.
for n in 1 2 3; do
  expect 0 ranks $n encode cvae "${given[@]}" --block 64 --output "codes-$n.h5"
  expect 0 ranks $n encode lord --data d.h5:/bytes --block 64 --output "lord-$n.h5"
  expect 0 ranks $n encode fitted --data d.h5:/bytes --block 64 --output "fitted-$n.h5"
  expect 0 ranks $n sample cvae --count 45 --draw --output "samples-$n.h5"
  expect 0 ranks $n sample pixels --count 40 --block 16 --output "pixels-$n.png"
  expect 0 ranks $n reconstruct cvae "${given[@]}" --output "reconstructions-$n.h5"
  expect 0 ranks $n reconstruct vae --output "reconstructions-$n.png"
  expect 0 ranks $n traverse vae --output "traversed-$n.h5"
  expect 0 ranks $n interpolate vae --data d.h5:/floats --pairs 3:17,5:40 --output "interpolated-$n.h5"
  expect 0 ranks $n swap cvae "${given[@]}" --contents 1,2 --classes 7,8,9 --block 4 --output "swapped-$n.h5"
  expect 0 ranks $n swap lord --data d.h5:/bytes --count 3 --output "swapped-$n.png"
  for file in codes lord fitted samples reconstructions traversed interpolated swapped; do same $file-1.h5 $file-$n.h5; done
  for file in pixels reconstructions swapped; do same $file-1.png $file-$n.png; done
done
expect 0 "$elbow" encode cvae "${given[@]}" --block 64
says "mean, deviation, labels of 203 samples of d.h5:/bytes: cvae/codes.h5"
same cvae/codes.h5 codes-1.h5

# What is in the files.
expect 0 "$elbow" encode vae --data d.h5:/floats --output forwards.h5
expect 0 "$elbow" encode vae --data d.h5:/reversed --output backwards.h5
expect 0 "$elbow" encode vae --data d.h5:/broken --data.nan skip --output broken.h5
says "NaN in place of the codes of 1 sample with a NaN"
expect 0 "$elbow" reconstruct vae --data d.h5:/floats --output whole.h5
expect 0 "$elbow" reconstruct cvae "${given[@]}" --output whole-bytes.h5
expect 0 "$elbow" interpolate vae --data d.h5:/floats --pairs 3:17,5:5 --steps 5 --path spherical --output circle.h5
expect 0 "$elbow" swap cvae "${given[@]}" --contents 3,4,5 --classes 3,4,5 --output itself.h5
expect 0 "$elbow" swap lord --data d.h5:/bytes --contents 3 --classes 4,5 --output two.h5
expect 0 "$elbow" traverse vae --steps 5 --output walk.h5
expect 0 "$elbow" traverse product --latents 0,4,5 --steps 9 --output mixed.h5
says "latents 0 to 3, one-hot: 4 of 4 categories"
says "latent 4 from -1 to 1"
expect 0 "$elbow" sample vectors --count 7 --output vectors.h5
mkdir no-folder && cp -r cvae/*.json cvae/*.safetensors no-folder/ && touch no-folder/samples
expect 1 "$elbow" sample no-folder
says "cannot make no-folder/samples: File exists; choose another --output"
expect 0 "$elbow" sample cvae --count 5 --condition 2 --output class.h5
expect 0 /usr/bin/python3 "$TESTS_SOURCE_DIR/tests/integration/commands_reader.py"

# Samples are a data set like the one that the model learned from.
expect 0 "$elbow" evaluate cvae --data samples-1.h5:/images --labels samples-1.h5:/labels --samples 2 --output e.json

# What is of x given c is called so, wherever it is shown.
says "log p(x given c)"
says "bits/dim given c"
grep -q '"log_likelihood"\|"bits_per_dim"' e.json && fail "log p(x given c) is called log p(x)"
grep -q '"log_likelihood_given_c": -\?[0-9]' e.json || fail "no log p(x given c)"
grep -q '"validation_log_likelihood_given_c":' cvae/metrics.jsonl || fail "no log p(x given c) of validations"
grep -q '"validation_log_likelihood"' cvae/metrics.jsonl && fail "a validation's log p(x given c) is called log p(x)"
expect 0 "$elbow" evaluate cvae "${given[@]}" --samples 2
expect 0 "$elbow" status cvae
says "log p(x given c)"
expect 0 "$elbow" train --run ten --data.train d.h5:/floats --data.values raw --model.prior categorical \
  --model.categories '[10]' --model.widths '[4]' --dry-run
says "vae, 1 latent of 10 values"

# Classes 1 and 4: none else is drawn, and of others nothing is said without the reason.
train gaps --data.train d.h5:/bytes --data.labels d.h5:/gaps --model.kind cvae
says "has 2 classes among the samples to train on, numbered up to 4: of the other 3 the model learns nothing"
expect 0 "$elbow" sample gaps --count 5 --output gaps.h5
expect 0 /usr/bin/python3 -c 'import h5py; assert list(h5py.File("gaps.h5")["labels"]) == [1, 4, 1, 4, 1]'
expect 2 "$elbow" sample gaps --condition 3
says "--condition 3: the model was trained on no sample of this class, but on those of 1, 4"
expect 0 "$elbow" evaluate gaps --data d.h5:/bytes --labels d.h5:/five --samples 2 --output gaps.json
says "log p(x, c): p(c) is 0 of a class that training never met"
grep -q '"no_log_joint": "p(c) is 0' gaps.json || fail "log_joint is null without a reason"

# Pictures.
for command in "sample vae" "sample cvae --count 9 --draw" "traverse cvae --condition 1" "traverse product" \
  "traverse lord --data d.h5:/bytes --index 8 --latents 2,0" "sample lord --condition 1" \
  "interpolate lord --data d.h5:/bytes --pairs 3:17" "interpolate fitted --data d.h5:/bytes --pairs 3:17"; do
  # shellcheck disable=SC2086
  expect 0 "$elbow" $command --output picture.png
  [[ $(head -c 8 picture.png | od -An -tx1) == " 89 50 4e 47 0d 0a 1a 0a" ]] || fail "$command: no PNG file"
  rm picture.png
done

# refuses CODE TEXT COMMAND...: and leaves no file behind.
refuses() {
  local code=$1 text=$2
  shift 2
  expect "$code" "$@"
  says "$text"
  [[ -z $(find . -name '*.tmp-*') ]] || fail "a temporary file was left"
}
for command in "encode pixels --data d.h5:/binary" "reconstruct pixels --data d.h5:/binary" "traverse pixels" \
  "interpolate pixels --data d.h5:/binary --pairs 1:2" "swap pixels --data d.h5:/binary"; do
  # shellcheck disable=SC2086
  refuses 2 "is a pixelcnn, which has no codes" "$elbow" $command
done
for command in encode reconstruct "interpolate --pairs 1:2" swap traverse; do
  # shellcheck disable=SC2086
  refuses 2 "--labels FILE:/path is missing" "$elbow" $command cvae --data d.h5:/bytes
  # shellcheck disable=SC2086
  refuses 3 "holds rows of shape [6, 7]" "$elbow" $command lord --data d.h5:/other
done
refuses 2 "--data" "$elbow" encode vae
refuses 2 "name it F.h5" "$elbow" encode vae --data d.h5:/floats --output codes.png
refuses 1 "No such file or directory; choose another --output" "$elbow" encode vae --data d.h5:/floats --output absent/c.h5
mkdir folder.h5
refuses 1 "it is a folder" "$elbow" encode vae --data d.h5:/floats --output folder.h5
refuses 3 "holds a NaN or an infinity; repair it, or leave such samples out with --data.nan skip" \
  ranks 2 encode vae --data d.h5:/broken --block 8 --output nan.h5
refuses 3 "d.h5:/codes has 2 classes among the samples to train on, numbered up to 60000: number them from 0 to 1" \
  ranks 2 train --run codes --data.train d.h5:/bytes --data.labels d.h5:/codes --model.kind cvae
# A value that every sample lacks: with such samples left out nothing remains.
lacking=(--data.train d.h5:/missing --data.nan skip)
refuses 3 "each of the 193 samples of d.h5:/missing that were read holds a NaN" "$elbow" train --run lost "${lacking[@]}"
refuses 3 "nothing to train on" ranks 2 train --run lost2 "${lacking[@]}" --data.values raw
refuses 3 "nothing to evaluate" ranks 2 train --run lost3 --data.train d.h5:/floats --data.values raw \
  --data.validation d.h5:/missing --data.nan skip --training.epochs 1
refuses 3 "nothing to evaluate" ranks 2 evaluate vae --data d.h5:/missing --nan skip --output lost.json
refuses 3 "nothing to encode" ranks 2 encode vae --data d.h5:/missing --nan skip --output lost.h5
[[ ! -e lost.json && ! -e lost.h5 ]] || fail "figures of nothing were written"
# The remedy that is named, where it is named.
refuses 3 "or leave such samples out with --data.nan skip" ranks 2 evaluate vae --data d.h5:/broken --samples 2 --output b.json
expect 0 ranks 2 evaluate vae --data d.h5:/broken --samples 2 --output b.json --data.nan skip
says "1 sample left out"
refuses 2 "--labels FILE:/path is missing" "$elbow" evaluate lord --data d.h5:/bytes
refuses 3 "absent.h5" ranks 2 encode vae --data absent.h5:/floats
refuses 3 "knows the classes 0 to 2" ranks 2 encode cvae --data d.h5:/bytes --labels d.h5:/five --output no.h5
refuses 3 "knows the classes 0 to 2" ranks 2 evaluate cvae --data d.h5:/bytes --labels d.h5:/five --samples 2
[[ ! -e nan.h5 && ! -e no.h5 ]] || fail "a file that is not whole was left"
refuses 2 "F.png a picture, F.h5 an HDF5 file" "$elbow" sample vae --output samples.jpg
refuses 2 "more than the 10,000 that a PNG shows" "$elbow" sample vae --count 10001
refuses 2 "which are no pictures" "$elbow" sample vectors --output samples.png
refuses 2 "knows the classes 0 to 2" "$elbow" sample cvae --condition 3
refuses 2 "knows the classes 0 to 2" "$elbow" traverse cvae --condition 1,2
refuses 2 "conditioned on nothing" "$elbow" sample vae --condition 1
refuses 2 "there is no latent 3; a code has 3, from 0 to 2" "$elbow" traverse vae --latents 0,3
refuses 2 "--from 1 must be below --to 1" "$elbow" traverse vae --from 1 --to 1
refuses 2 "--index: there is no sample 203" "$elbow" traverse vae --data d.h5:/floats --index 203
refuses 2 "--data is missing" "$elbow" traverse lord
refuses 2 "leave one of both out" "$elbow" traverse cvae "${given[@]}" --condition 1
refuses 2 "'3' is not two samples" "$elbow" interpolate vae --data d.h5:/floats --pairs 3
refuses 2 "--pairs: there is no sample -1" "$elbow" interpolate vae --data d.h5:/floats --pairs 3:-1
refuses 2 "have bounds" "$elbow" interpolate product --data d.h5:/floats --pairs 3:4 --path spherical
refuses 2 "--pairs" "$elbow" interpolate vae --data d.h5:/floats
refuses 2 "conditioned on nothing" "$elbow" swap vae --data d.h5:/floats
refuses 2 "--classes: there is no sample 500" "$elbow" swap cvae "${given[@]}" --contents 1 --classes 2,500

# A full disk: said so, and nothing stays.
if mkdir small && mount -t tmpfs -o size=20k none small 2>/dev/null; then
  for n in 1 2; do
    status=0
    ranks $n sample vae --count 5000 --output small/s.h5 >output 2>&1 || status=$?
    left=$(ls -A small)
    [[ $status == 1 ]] || fail "exit code $status on a full disk"
    says "No space left on device"
    [[ -z $left ]] || fail "$left was left on a full disk"
  done
  umount small
fi
finish
