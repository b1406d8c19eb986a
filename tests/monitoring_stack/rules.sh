#!/usr/bin/env bash
# Prometheus' configuration and rules are valid, and do what they should on series with known answers.
source "${BASH_SOURCE[0]%/*}/../integration/program.sh"
prometheus_folder=$TESTS_SOURCE_DIR/monitoring/prometheus
cases=$TESTS_SOURCE_DIR/tests/monitoring_stack/rules.yml

expect 0 promtool check config "$prometheus_folder/prometheus.yml"
says "2 rule files found"
expect 0 promtool check rules "$prometheus_folder"/rules/*.yml
expect 0 promtool test rules "$cases"

# No rule without a case.
mapfile -t names < <(sed -n 's/^ *- \(record\|alert\): //p' "$prometheus_folder"/rules/*.yml)
((${#names[@]} >= 18)) || fail "only ${#names[@]} rules were found"
for name in "${names[@]}"; do
  checks=$((checks + 1))
  grep -q "\(expr: \|(\|alertname: \|alertname=\"\)$name" "$cases" || fail "$cases has no case for $name"
done
# No alert without what a person needs.
for what in summary description action severity; do
  checks=$((checks + 1))
  [[ $(grep -c "$what: " "$prometheus_folder/rules/alerts.yml") == $(grep -c 'alert: ' "$prometheus_folder/rules/alerts.yml") ]] ||
    fail "an alert has no $what"
done
finish
