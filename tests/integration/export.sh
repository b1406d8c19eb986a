#!/usr/bin/env bash
# Models for other programs: what `elbow export` writes suffices to compute what Elbow does.
source "${BASH_SOURCE[0]%/*}/program.sh"

python() { env PYTHONPATH="$TESTS_SOURCE_DIR/.deps/python" /usr/bin/python3 "$@"; }
reader=$TESTS_SOURCE_DIR/tests/integration/export_reader.py

# Pictures of odd sides: grey ones in float, coloured ones, and 8-bit values below 8.
python - <<'PYTHON'
import h5py, numpy
i, row, column = numpy.ogrid[:40, :9, :7]
waves = numpy.sin(row * (1 + i % 3) * 0.7 + column * 0.4 + i)
with h5py.File("d.h5", "w") as file:
    file["grey"] = waves.astype("f4")
    file["colour"] = numpy.stack([waves, -waves * 0.5, waves**2], 3).astype("f4")
    file["levels"] = numpy.round(3.5 + 3.4 * waves).astype("u1")
    file["flat"] = waves.reshape(40, 63).astype("f4")
    file["classes"] = numpy.arange(40) % 3
    file["values"] = numpy.stack([numpy.arange(40) / 7, numpy.cos(numpy.arange(40))], 1)
PYTHON

# model NAME IMAGES LABELS OPTION...: trained for a few steps, and exported. LABELS may be -.
model() {
  local name=$1 data=(--data.train "d.h5:/$2")
  [[ $3 == - ]] || data+=(--data.labels "d.h5:/$3")
  expect 0 "$elbow" train --run "$name" "${data[@]}" --data.validation 0 --training.batch 8 \
    --training.epochs 15 --optimizer.rate 0.02 "${@:4}"
  expect 0 "$elbow" export "$name"
  says "$name/export/architecture.json"
}

# compare NAME IMAGES LABELS: Elbow's figures and pictures of what it was trained on.
compare() {
  local labels=() picture=-
  [[ $3 == - ]] || labels=(--labels "d.h5:/$3")
  expect 0 "$elbow" evaluate "$1" --data "d.h5:/$2" "${labels[@]}" --samples 2 \
    --per-image "$1.h5"
  if compgen -G "$1/export/*encoder.safetensors" >/dev/null; then
    picture=$1.png
    expect 0 "$elbow" reconstruct "$1" --data "d.h5:/$2" "${labels[@]}" --count 20 \
      --output "$picture"
  fi
  expect 0 python "$reader" run "$1/export" d.h5 "$2" "$3" "$1.h5" "$picture"
  says "expectations met"
  sed "s/^/$1: /" output
}

expect 0 python "$reader" reference "$TESTS_SOURCE_DIR/tests/reference"
says "expectations met"

model mlp grey - --model.latent 3 --model.widths 8,5
compare mlp grey -
# Exact sums over a code of few values tell of the decoder what a picture rounds.
model convolutional colour classes --model.kind cvae --model.network convolutional \
  --model.widths 6,4 --model.activation elu --model.prior categorical --model.categories 4
compare convolutional colour classes
model residual grey values --model.kind cvae --model.condition values --model.network residual \
  --model.widths 6,4 --model.blocks 2 --model.activation gelu --model.sigma per-dimension
compare residual grey values
model transformer levels classes --model.kind cvae --model.network transformer --model.widths 8 \
  --model.depth 2 --model.heads 2 --model.activation silu --model.likelihood categorical \
  --model.levels 8 --model.prior categorical --model.categories 3,2
compare transformer levels classes
model pixelcnn levels - --model.kind pixelcnn --model.widths 6,6 --model.likelihood categorical \
  --model.levels 8 --model.ordering columns
compare pixelcnn levels -

# Two encoders: of the content, and of the class.
model lord colour classes --model.kind lord --data.layout nhwc --model.widths 6 --model.latent 2 \
  --model.class_code 3 --model.noise 0.5 --training.later_epochs 5
compare lord colour classes

# Without an encoder: the decoder alone.
model lo flat - --model.kind latent-optimisation --model.widths 4 --model.fit_steps 100 \
  --model.prior categorical --model.categories 4
compare lo flat -
model glo flat - --model.kind glo --model.latent 2 --model.widths 4 --model.fit_steps 100
for kind in lo glo; do
  [[ ! -e $kind/export/encoder.safetensors ]] || fail "$kind: an encoder from nowhere"
done
[[ -e glo/export/codes.safetensors ]] || fail "glo: no distribution of codes"

# Once more is the same; other files stay.
mkdir there && touch there/thesis.tex
expect 0 "$elbow" export mlp --output there --parameters last
for file in architecture.json encoder.safetensors decoder.safetensors likelihood.safetensors; do
  cp "there/$file" "before-$file"
done
expect 0 ranks 2 export mlp --output there --parameters last
for file in architecture.json encoder.safetensors decoder.safetensors likelihood.safetensors; do
  same "there/$file" "before-$file"
done
[[ -e there/thesis.tex ]] || fail "an export took somebody's file away"

expect 4 "$elbow" export absent
says "absent does not exist"
expect 2 "$elbow" export mlp --parameters bset
says "best"
expect 4 "$elbow" export mlp --parameters average
says "training.average"
expect 1 "$elbow" export mlp --output d.h5
says "d.h5: the folder cannot be made"
says "--output"
mkdir mine && printf 'mine' >mine/decoder.safetensors
expect 2 "$elbow" export mlp --output mine
says "decoder.safetensors is there already"
[[ $(cat mine/*) == mine ]] || fail "somebody's file was changed"
finish
