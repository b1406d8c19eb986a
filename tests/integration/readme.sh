#!/usr/bin/env bash
# The README's commands as a newcomer types them, in a checkout that quickstart has been run in: here with fewer pictures.
# And how quickstart says that the program is called.
source "${BASH_SOURCE[0]%/*}/program.sh"
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none

mkdir -p checkout/build/release/launch/cli home
export HOME=$PWD/home
cd checkout
ln -s "$elbow" build/release/launch/cli/elbow
mkdir launch && ln -s "$TESTS_SOURCE_DIR/launch/examples" launch/examples
for split in train test; do
  pictures 600 | idx images 03 600 8 8
  expect 0 "$elbow" data import idx --images images --output fashion.h5 --split $split
done

# block HEADING: the commands of that part.
block() { awk -v heading="## $1" '/^## /{here = $0 == heading} here && /^ *```/{code = !code; next} here && code' "$TESTS_SOURCE_DIR/README.md"; }
for heading in "From an HDF5 file to a report" "Your own data in three steps" "Stop, go on, somewhere else"; do
  block "$heading" >>commands
done
(($(wc -l <commands) >= 12)) || fail "the README has fewer commands than it had"
# One that is told to stop after a time says so.
sed -i "/--time-limit/s/\( *#.*\)/ || [[ \$? == 75 ]] \1/" commands
expect 0 bash -euo pipefail commands
for file in first/report.html first/samples/samples.png mine/evaluation.json mine/samples/reconstructions.png; do
  [[ -s runs/$file ]] || fail "no runs/$file"
done

# How the last lines of quickstart say it is called.
source "$TESTS_SOURCE_DIR/launch/steps.sh"
program=$PWD/build/release/launch/cli/elbow
say_how_to_call "$program" >output
says "launch/quickstart --link"
said=$(sed -n 's/^Call it *\(export [^#]*\)#.*/\1/p' output)
expect 0 bash -c "$said; elbow --version"
says "elbow 0."
link_program "$program"
say_how_to_call "$program" >output
says "New shells find the link in ~/.local/bin"
PATH=$HOME/.local/bin:$PATH
say_how_to_call "$program" >output
says "Call it    elbow --help"
expect 0 elbow --help
# What is no link stays.
rm "$HOME/.local/bin/elbow" && echo mine >"$HOME/.local/bin/elbow"
expect 1 bash -c 'source "$1" && link_program "$2"' bash "$TESTS_SOURCE_DIR/launch/steps.sh" "$program"
says "is there and no link"
[[ $(<"$HOME/.local/bin/elbow") == mine ]] || fail "a file was replaced by a link"
finish
