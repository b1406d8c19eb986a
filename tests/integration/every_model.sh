# shellcheck shell=bash
# Sourced beside program.sh by the scripts that go through every model of the lecture: the data d.h5, the configuration c.toml,
# and the list itself.

pictures 75 >bytes
idx images 03 75 8 8 <bytes
idx volumes 04 75 4 4 4 <bytes
awk 'BEGIN { for (i = 0; i < 75; ++i) printf "%c", i % 3 + 1 }' | tr '\1-\3' '\0-\2' | idx labels 01 75
expect 0 "$elbow" data import idx --images images --labels labels --output d.h5 --split train
expect 0 "$elbow" data import idx --images volumes --output d.h5 --split volumes
cat >c.toml <<'TOML'
[data]
train = "d.h5:/train/images"
validation = 11
[model]
latent = 2
widths = [6]
[training]
batch = 24
epochs = 2
sum = "reproducible"
average = 0.9
[evaluation]
samples = 3
[checkpoint]
every = "1000 steps"
TOML

# evaluated_on NAME OPTION...: sets the array `data` to what the model of that name, trained with these options, is evaluated on.
evaluated_on() {
  data=(--data d.h5:/train/images)
  [[ $1 != volume ]] || data=(--data d.h5:/volumes/images)
  [[ " ${*:2} " != *--data.labels* ]] || data+=(--labels d.h5:/train/labels)
}

# every_model COMMAND: calls COMMAND NAME OPTION... for each model, with every prior, network, layout and objective. (The
# models whose samples have parameters of their own: row_models.)
every_model() {
  local labels=(--data.labels d.h5:/train/labels)
  "$1" uniform --model.prior uniform --model.likelihood laplace
  "$1" categorical --model.prior categorical --model.categories '[3, 4]' --model.likelihood bernoulli
  "$1" gumbel --model.prior categorical --model.categories '[9, 9]' --model.sigma per-dimension
  "$1" product --model.prior product --model.factors '["categorical 3", "uniform 2"]' --model.sigma optimal
  "$1" mixture --model.prior mixture --model.components 3
  "$1" vamp --model.prior vamp --model.components 3 --training.objective iwae --training.draws 3
  "$1" convolutional --model.network convolutional --model.widths '[4]' --training.objective dreg --training.draws 2
  "$1" residual --model.network residual --model.widths '[4]' --training.beta 2 --training.kl_warmup 1.5
  "$1" transformer --model.network transformer --model.widths '[8]' --model.heads 2 --model.depth 1 --training.free_bits 0.1
  "$1" signal --data.layout signal --model.network residual --model.widths '[4]'
  "$1" volume --data.train d.h5:/volumes/images --data.layout volume --model.network convolutional --model.widths '[4]'
  "$1" cvae --model.kind cvae "${labels[@]}" --model.prior conditional
  "$1" values --model.kind cvae "${labels[@]}" --model.condition values --model.likelihood discretised-logistic
  "$1" pixelcnn --model.kind pixelcnn --model.widths '[4, 4]' --model.likelihood categorical --model.levels 256
}

# row_models COMMAND: likewise, for the models whose samples have parameters of their own.
row_models() {
  local fit=(--model.fit_steps 20)
  "$1" latent-optimisation --model.kind latent-optimisation "${fit[@]}"
  "$1" glo --model.kind glo "${fit[@]}"
  "$1" lord --model.kind lord --data.labels d.h5:/train/labels --model.class_code 3 --training.later_epochs 1
}
