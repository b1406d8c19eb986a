# shellcheck shell=bash
# Sourced by the scripts that try the whole of the monitoring: servers on ports of 127.0.0.1 that the system has free.
source "${BASH_SOURCE[0]%/*}/../integration/program.sh"
monitoring=$TESTS_SOURCE_DIR/monitoring

# Whatever happens, no process of ours stays behind.
started=()
end_started() {
  local pid
  for pid in "${started[@]}"; do kill -CONT "$pid" 2>/dev/null && kill "$pid" 2>/dev/null; done
  wait
}
trap end_started EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# within SECONDS WHAT COMMAND...: until the command succeeds.
within() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  checks=$((checks + 1))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "it did not come to pass: $what"
    sleep 0.3
  done
}

fetch() { python3 -c 'import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())' "$1"; }

# start_gateway: a Pushgateway at $gateway.
start_gateway() {
  gateway=http://127.0.0.1:$(free_port)
  prometheus-pushgateway --web.listen-address="${gateway#http://}" --persistence.file= >gateway.log 2>&1 &
  started+=($!)
  within 10 "the gateway answers" fetch "$gateway/-/ready"
}

# start_prometheus SECONDS: the project's configuration and rules at $prometheus, that looks each second, with windows and
# limits of SECONDS in place of minutes.
start_prometheus() {
  local span=$1
  mkdir -p stack/rules stack/targets stack/gateways
  sed "s/\(scrape_interval\|evaluation_interval\|refresh_interval\): .*/\1: 1s/; s/\(scrape_timeout\): .*/\1: 1s/" \
    "$monitoring/prometheus/prometheus.yml" >stack/prometheus.yml
  local rules
  for rules in "$monitoring"/prometheus/rules/*.yml; do
    sed "s/\[[0-9]*m\]/[${span}s]/g; s/for: .*/for: 2s/; s/offset 30m/offset ${span}s/; s/> 1800/> ${span}/" "$rules" \
      >"stack/rules/${rules##*/}"
  done
  expect 0 promtool check config stack/prometheus.yml
  prometheus=http://127.0.0.1:$(free_port)
  prometheus --config.file=stack/prometheus.yml --storage.tsdb.path=stack/data \
    --web.listen-address="${prometheus#http://}" --log.level=warn >prometheus.log 2>&1 &
  started+=($!)
  within 20 "Prometheus answers" fetch "$prometheus/-/ready"
  if [[ -n ${gateway:-} ]]; then
    echo "[{\"targets\": [\"${gateway#http://}\"]}]" >stack/gateways/local.tmp
    mv stack/gateways/local.tmp stack/gateways/local.json
  fi
}

# ask QUERY: the values of the series that answer it, one a line.
ask() { promtool query instant "$prometheus" "$1" 2>/dev/null | sed -n 's/.*=> \([^ ]*\) .*/\1/p'; }
answers() { [[ -n $(ask "$1") ]]; }

# fires ALERT RUN [, OTHER="LABELS"]: within a minute.
fires() { within 60 "alert $1 fires for $2" answers "ALERTS{alertname=\"$1\", alertstate=\"firing\", run=\"$2\"${3:-}}"; }
is_silent() {
  checks=$((checks + 1))
  ! answers "ALERTS{alertname=\"$1\", alertstate=\"firing\"}" || fail "alert $1 fires without a cause"
}

# waves N FILE: a data set of N pictures.
waves() {
  pictures "$1" | idx images 03 "$1" 8 8
  expect 0 "$elbow" data import idx --images images --output "$2" --split train
}
