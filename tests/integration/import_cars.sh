#!/usr/bin/env bash
# Pictures of cars: drawn, looked at, written beside others and again, and what is refused.
source "${BASH_SOURCE[0]%/*}/program.sh"

synthetic=("$elbow" data import synthetic --models 4 --azimuths 6 --elevations 2 --size 16)
expect 0 "${synthetic[@]}" --output a.h5
says "/cars/images         [48, 16, 16, 3]"
says "/cars/model_labels   [48]"
expect 0 "$elbow" data inspect a.h5
says "/cars/factors"
expect 0 "${synthetic[@]}" --output b.h5
same a.h5 b.h5
expect 3 "${synthetic[@]}" --output a.h5
says "--replace"
same a.h5 b.h5
expect 0 "${synthetic[@]}" --output a.h5 --group others --seed 2
says "/others/labels"
expect 0 "${synthetic[@]}" --output a.h5 --replace
expect 2 "$elbow" data import synthetic
says "--output"
expect 2 "$elbow" data import synthetic --output c.h5 --models 0
says "--models 0 must be from 1"
expect 2 "$elbow" data import synthetic --output c.h5 --size 1000
says "--size 1000 must be from 8 to 512"
expect 0 "${synthetic[@]}" --output light.h5 --light scene
cmp -s light.h5 b.h5 && fail "--light has no effect"
expect 2 "$elbow" data import synthetic --output c.h5 --light bright
says "--light"
expect 2 "$elbow" data import synthetic --output c.h5 --azimuths many
says "--azimuths"
[[ ! -e c.h5 ]] || fail "a refused command wrote a file"

expect 2 "$elbow" data import cars3d --output c.h5
says "--source"
expect 3 "$elbow" data import cars3d --source absent.tar.gz --output c.h5
says "absent.tar.gz: no such file or folder"
mkdir empty
expect 3 "$elbow" data import cars3d --source empty --output c.h5
says "empty has no list.txt"
expect 3 "$elbow" data import cars3d --source a.h5 --output c.h5
says "cannot read a.h5"
[[ ! -e c.h5 ]] || fail "a refused command wrote a file"

finish
