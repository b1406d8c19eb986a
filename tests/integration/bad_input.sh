#!/usr/bin/env bash
# What happens when a user gets it wrong: the exit code, and a message that says what to do.
source "${BASH_SOURCE[0]%/*}/program.sh"

pictures 64 | idx images 03 64 8 8
head -c 64 images | idx labels 01 64
expect 0 "$elbow" data import idx --images images --labels labels --output d.h5 --split train
printf '[data]\ntrain = "d.h5:/train/images"\n[model]\nlatent = 2\nwidths = [4]\n[training]\nepochs = 1\n' >c.toml
train=("$elbow" train --config c.toml)

# The command line, the environment and the file, each refused before anything starts.
expect 2 "$elbow" trian
says "train"
expect 2 "$elbow"
expect 2 "${train[@]}" --run r --training.epoch 3
says "training.epochs"
expect 2 "${train[@]}" --run r --training.epochs many
says "training.epochs"
expect 2 "${train[@]}" --run r --training.epochs 0
says "0 must be from 1"
expect 2 "${train[@]}" --run r --model.likelihood gausian
says "did you mean 'gaussian'?"
expect 2 env ELBOW_TRAINING_EPOCS=3 "${train[@]}" --run r
says "ELBOW_TRAINING_EPOCHS"
expect 2 ranks 2 train --config c.toml --run r --model.network mpl
says "did you mean 'mlp'?"
[[ $(grep -c "did you mean" output) == 1 ]] || fail "both ranks said so"
printf '[training]\nbatchsize = 3\n' >bad.toml
expect 2 "$elbow" train --config bad.toml --run r
says "training.batch"
says "line 2"
printf '[training]\nbatch = "3"\n' >bad.toml
expect 2 "$elbow" train --config bad.toml --run r
says "is not an integer"
printf '[training\n' >bad.toml
expect 2 "$elbow" train --config bad.toml --run r
says "line 1"
expect 2 "$elbow" train --config absent.toml --run r
says "absent.toml: no such file"
expect 2 "${train[@]}"
says "--run DIR is missing"
expect 2 "$elbow" train --run r
says "data.train is missing"
[[ ! -e r ]] || fail "a refused command made a run directory"

# Precedence: command line, environment, file.
expect 0 env ELBOW_TRAINING_EPOCHS=5 ELBOW_TRAINING_SEED=7 "${train[@]}" --print-config --training.epochs 9
says "epochs = 9"
says "seed = 7"
says "latent = 2"

# What other programs call it; the word before the command; the last of an option that is given twice.
expect 2 "${train[@]}" --run r --lr 1e-3
says "has no option '--lr'; did you mean '--optimizer.rate'?"
expect 2 "${train[@]}" --run r --training.lr 1e-3
says "did you mean '--optimizer.rate'?"
expect 2 "${train[@]}" --run r --epochs 3
says "did you mean '--training.epochs'?"
expect 2 "${train[@]}" --output_dir r
says "did you mean '--run'?"
printf '[training]\nlearning_rate = 1e-3\n' >bad.toml
expect 2 "$elbow" train --config bad.toml --run r
says "did you mean 'optimizer.rate'?"
expect 2 env ELBOW_BATCH_SIZE=3 "${train[@]}" --run r
says "did you mean 'ELBOW_TRAINING_BATCH'?"
expect 2 "${train[@]}" --run r --job.collective_limit 5
says "is not a time; write for example '30 s'"
for words in "help" "--help" "help train" "train --help" "help data import idx"; do
  expect 0 "$elbow" $words
  says "Usage: "
done
expect 2 "$elbow" help fly
says "elbow has no sub-command 'fly'"
expect 2 "$elbow" fly train
says "elbow has no sub-command 'fly'"
expect 0 "${train[@]}" --print-config --training.epochs 9 --training.epochs 11
says "epochs = 11"

# The defaults of a network are its own.
for expected in "mlp:[400]" "convolutional:[32, 64]" "residual:[32, 64]" "transformer:[128]"; do
  expect 0 "$elbow" train --print-config --model.network "${expected%%:*}"
  says "widths = ${expected#*:}"
done
expect 0 "$elbow" train --print-config --model.kind pixelcnn
says "widths = [32, 32, 32, 32]"

# A model that no machine holds: a dry run only counts it, a training says so before it begins.
huge='[65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536]'
expect 0 timeout 60 "${train[@]}" --dry-run --model.widths "$huge"
says " TiB of state"
expect 1 timeout 60 "${train[@]}" --run r --model.widths "$huge"
says "more than the "
expect 0 timeout 60 "${train[@]}" --dry-run --model.kind pixelcnn --model.likelihood categorical
# And memory that cannot be had.
(
  ulimit -v 3000000
  expect 1 "${train[@]}" --run unmade --model.widths '[9000, 9000]'
  says " were asked for at once, and "
)

# Data.
expect 3 "${train[@]}" --run r --data.train absent.h5:/train/images
says "absent.h5"
expect 3 "${train[@]}" --run r --data.train d.h5:/train/image
says "/train/images"
expect 3 "${train[@]}" --run r --data.train c.toml:/train/images
says "c.toml"
expect 3 ranks 2 train --config c.toml --run r --data.train absent.h5:/train/images
[[ $(grep -c "absent.h5" output) == 1 ]] || fail "both ranks said so"
head -c 3000 d.h5 >short.h5
expect 3 "${train[@]}" --run r --data.train short.h5:/train/images
says "short.h5"

[[ ! -e r ]] || fail "unreadable data left a run directory"

# Run directories.
mkdir other && touch other/thesis.tex
expect 4 "${train[@]}" --run other
says "holds files but no run"
expect 4 "$elbow" evaluate absent --data d.h5:/train/images
says "absent does not exist"
expect 0 "${train[@]}" --run r
expect 3 "$elbow" evaluate r --data d.h5:/train/labels
expect 2 "$elbow" evaluate r --data d.h5:/train/images --samples 0

# Data on another scale than those trained on, wherever a run meets data; and the remedy that is named.
pictures 64 | python3 -c 'import sys; sys.stdout.buffer.write(bytes(b > 127 for b in sys.stdin.buffer.read()))' |
  idx binary 03 64 8 8
expect 0 "$elbow" data import idx --images binary --output b.h5 --split train
for command in "evaluate r --output e.json" "encode r --output codes.h5" "reconstruct r --output x.png" \
  "traverse r --output x.png"; do
  read -ra words <<<"$command"
  expect 3 "$elbow" "${words[@]}" --data b.h5:/train/images
  says "b.h5:/train/images holds 0 and 1 alone, and the model was trained on grey levels above 1"
  expect 0 "$elbow" "${words[@]}" --data b.h5:/train/images --data.mismatch warn
  says "holds 0 and 1 alone"
done
expect 3 "${train[@]}" --run v --data.validation b.h5:/train/images
says "--data.mismatch warn"
[[ ! -e v ]] || fail "refused validation data left a run directory"
expect 0 "${train[@]}" --run v --data.validation b.h5:/train/images --data.mismatch warn
expect 0 "${train[@]}" --run b --data.train b.h5:/train/images --model.likelihood bernoulli
expect 3 ranks 2 evaluate b --data d.h5:/train/images
says "d.h5:/train/images holds grey levels above 1, and the model was trained on 0 and 1 alone"
[[ $(grep -c "grey levels" output) == 1 ]] || fail "both ranks said so"
# A number that was changed since is refused; a run that was made before the hash and the range were kept is not.
grep -q '"range": \[' r/model.json || fail "no range in model.json"
sed -i 's/"seed": 1/"seed": 2/' r/model.json
expect 4 "$elbow" evaluate r --data d.h5:/train/images
says "r/model.json is damaged: its content does not match its hash"
python3 -c 'import json
model = json.load(open("r/model.json"))
del model["observation"]["range"], model["xxh3_128"]
json.dump(model, open("r/model.json", "w"))'
expect 0 "$elbow" evaluate r --data d.h5:/train/images
expect 3 "$elbow" evaluate r --data b.h5:/train/images

# Pipes and devices have no end, and may have no beginning: named, they are refused rather than waited for.
mkfifo pipe
for file in pipe /dev/zero; do
  expect 3 timeout -k 1 60 "$elbow" data inspect $file
  says "$file: not a regular file"
  expect 3 timeout -k 1 60 "${train[@]}" --run odd --data.train $file:/x
  expect 3 timeout -k 1 60 "$elbow" data import idx --images $file --output odd.h5
  expect 2 timeout -k 1 60 "$elbow" train --config $file --run odd
  rm -f r/parameters.safetensors && ln -s "$(realpath $file)" r/parameters.safetensors
  expect 4 timeout -k 1 60 "$elbow" sample r
  says "not a regular file"
done
rm r/parameters.safetensors
printf 'garbage' >r/parameters.safetensors
expect 4 "$elbow" evaluate r --data d.h5:/train/images
says "parameters.safetensors"

# Names and values of other people's files are shown, and not obeyed.
evil=$'\x1b[31m\u202e\u009b'
shown='\u001b[31m\u202e\u009b'
expect 2 "$elbow" data import idx --images images --output "d$evil.h5" --split "s$evil"
clean
says "'s$shown' cannot name a group"
h5copy -i d.h5 -o "d$evil.h5" -s /train -d "/s$evil"
expect 0 "$elbow" data inspect "d$evil.h5:/s$evil/images"
clean
says "d$shown.h5"
expect 3 "$elbow" data inspect "d$evil.h5:/absent"
clean
says "/s$shown/images"
expect 0 "${train[@]}" --run "r$evil" --data.train "d$evil.h5:/s$evil/images"
clean
says "run directory r$shown"
cp "r$evil/log.jsonl" output
clean
expect 0 "$elbow" sample "r$evil"
clean
says "r$shown/samples"
printf '[data]\n"tra\\u001b[31min\\u202e" = 1\n' >bad.toml
expect 2 "$elbow" train --config bad.toml --run q
clean
says 'data.tra\u001b[31min\u202e'
printf '[model]\nnetwork = "\\u001b[31m\\u202e"\n' >bad.toml
expect 2 "$elbow" train --config bad.toml --run q
clean
says "'\\u001b[31m\\u202e' is not one of"
expect 2 "$elbow" train "--data$evil"
clean
expect 0 "${train[@]}" --run q --data.train "d$evil.h5:/s$evil/images" --print-config
clean
cp output printed.toml
expect 0 "$elbow" train --config printed.toml --run q --print-config
same output printed.toml
for place in model.json run.json; do
  cp -r r "evil-$place"
  # r/model.json holds no hash any more.
  sed -i 's/"vae"/"\\u001b[31m\\u202e"/; s/"finished": true/"finished": "\\u001b[31m\\u202e"/' "evil-$place/$place"
  status=0
  "$elbow" evaluate "evil-$place" --data d.h5:/train/images >output 2>&1 || status=$?
  clean
  "$elbow" status "evil-$place" >output 2>&1 || status=$?
  clean
done
expect 2 "$elbow" slurm --before "echo $evil" train --config c.toml --run q
clean
says "leave control characters out of"

# A full disk has one exit code, whatever was to be written, names the file and leaves nothing half-written.
expect 1 sh -c '"$1" data inspect d.h5 >/dev/full' sh "$elbow"
says "standard output"
# full_disk SIZE MESSAGE COMMAND...
full_disk() {
  local size=$1 message=$2
  shift 2
  mkdir -p small
  mount -t tmpfs -o size="$size" none small
  status=0
  "$@" >output 2>&1 </dev/null || status=$?
  umount small
  [[ $status == 1 ]] || fail "exit code $status on a full disk: $*"
  says "$message"
}
if mkdir -p small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
  umount small
  expect 0 "${train[@]}" --run whole
  full_disk 64k "are free for small/r" "${train[@]}" --run small/r --model.widths 400
  full_disk 4k "No space left on device" "$elbow" sample whole --count 200 --output small/s.h5
  full_disk 4k "No space left on device" "$elbow" data import idx --images images --output small/d.h5
  full_disk 4k "No space left on device" "$elbow" encode whole --data d.h5:/train/images --output small/codes.h5
fi
finish
