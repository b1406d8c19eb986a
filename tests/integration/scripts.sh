#!/usr/bin/env bash
# Every script of the repository is one that can be run as it is called, and is whole.
source "${BASH_SOURCE[0]%/*}/program.sh"
cd "$TESTS_SOURCE_DIR"
mapfile -t files < <(find launch monitoring tests .ci -type f -not -path '*/node_modules/*' -not -name '*.pyc')
for file in "${files[@]}"; do
  first=$(head -c 64 "$file" | tr -d '\0' | head -n 1)
  checks=$((checks + 1))
  if [[ $first == '#!'* ]]; then
    [[ -x $file ]] || fail "$file has a first line $first, but no run bit"
  else
    [[ ! -x $file ]] || fail "$file has a run bit, but no first line that says what runs it"
  fi
  case $first in
    *bash | '# shellcheck shell=bash'*) bash -n "$file" || fail "$file is no bash" ;;
    */sh) sh -n "$file" || fail "$file is no shell script" ;;
    *python3) python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$file" || fail "$file is no Python" ;;
  esac
done
((checks > 100)) || fail "few files were found"
finish
