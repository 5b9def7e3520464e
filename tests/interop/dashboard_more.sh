# tests/interop/dashboard_more.sh - every expression of the dashboard has data while the gateway is busy,
# and no alert is wrong: a real Prometheus is asked. Sourced by a test with a lab whose LAB_CONF has a
# MetricsListen 127.0.0.1:9180.

cat >"$LAB_DIR/prometheus.yml" <<YML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$top/conf/alerts.yml]
scrape_configs: [{job_name: sluice, static_configs: [{targets: ['127.0.0.1:9180']}]}]
YML
lab_spawn gw "$LAB_DIR/prometheus.log" prometheus --config.file="$LAB_DIR/prometheus.yml" \
	--storage.tsdb.path="$LAB_DIR/tsdb" --web.listen-address=127.0.0.1:9190
prometheus_pid=$lab_pid

asks() { lab_in gw curl -s --data-urlencode "query=$1" http://127.0.0.1:9190/api/v1/query; }
has() { # expression: within a minute it has a value
	for _ in $(seq 120); do
		asks "$1" | grep -q '"value"' && return
		sleep 0.5
	done
	asks "$1"
	return 1
}
steer() { env SLUICE_RUN="$LAB_DIR/run" "$SLUICE_BUILD/control/sluicectl" "$@"; }
check "Prometheus scrapes it" has 'count_over_time(sluice_ready[1m]) > 3'

# Busy: one who fetches on and on at a rate, one channel each; more are refused, a stranger is none.
cp "$LAB_DIR/sluice.conf" "$LAB_DIR/before.conf"
printf 'MaxChannelsPerConnection 1\nChannelRate 80mbit\n' >>"$LAB_DIR/sluice.conf"
check "busy: other limits" steer reload
lab_forward 18900 "$LAB_TARGET_ADDR:8080"
forward_pid=$lab_pid
ssh-keygen -q -t ed25519 -N '' -f "$LAB_DIR/stranger"
lab_spawn client "$LAB_DIR/busy.log" bash -c '
while :; do
	curl -s -o /dev/null "http://127.0.0.1:18900/file" &
	sleep 0.2
	curl -s -m 1 -o /dev/null "http://127.0.0.1:18900/file"
	ssh -F none -i "$1" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -p "$2" "$3" true 2>/dev/null
	exec 3<>"/dev/tcp/$4/$2" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3 >/dev/null
	exec 3>&-
	wait
done' busy "$LAB_DIR/stranger" "$LAB_PORT" "$gw" "$LAB_GW_OUTSIDE"
busy_pid=$lab_pid
python3 -c 'import json, sys
for p in json.load(open(sys.argv[1]))["panels"]:
    for t in p["targets"]: print(p["title"], t["expr"].replace("$instance", ".*"), sep="\t")' \
	"$top/conf/grafana-sluice.json" >"$LAB_DIR/exprs"
while IFS=$'\t' read -r title expr; do
	check "dashboard: $title: $expr" has "$expr"
done <"$LAB_DIR/exprs"
check "who waits for a rate" has 'sum(rate(sluice_relay_cap_channel_time_total[1m])) > 0'
check "no alert is wrong" [ "$(lab_in gw curl -s http://127.0.0.1:9190/api/v1/rules | grep -o '"health":"err"')" = "" ]
tops() { steer top --once --interval 1 | grep -q 'out: cap (channel)'; }
several() { for _ in $(seq 20); do "$@" && return; done; return 1; }
check "top says whose rate is in the way" several tops
for pid in $busy_pid $forward_pid $prometheus_pid; do lab_stop_pid "$pid"; done
cp "$LAB_DIR/before.conf" "$LAB_DIR/sluice.conf"
check "as before" steer reload
