# tests/interop/sessions_logs.sh - utmp, wtmp and lastlog, as the system's own programs read them; a part of test_sessions.sh.
log_user=logged@$LAB_GW_OUTSIDE
log_name=logged
log_from=$LAB_CLIENT_ADDR
log_wait() { # command…
	for _ in $(seq 800); do "$@" && return; sleep 0.025; done
	return 1
}
log_in() { # to a terminal, and stays: its ssh is log_pid; where, as which process, and what he asked there
	: >"$LAB_DIR/logged.out"
	rm -f "$LAB_DIR/logged.in"
	mkfifo "$LAB_DIR/logged.in"
	in_ssh -S "$LAB_DIR/log_mux" -tt "$log_user" <"$LAB_DIR/logged.in" >"$LAB_DIR/logged.out" &
	log_pid=$!
	exec 8>"$LAB_DIR/logged.in"
	echo 'echo at:$(tty):$$:$(who -m | sed "s/ .*//"):$(who -u | grep -c " $$ ("):' >&8
	log_wait grep -q 'at:/dev/.*:[0-9]*:' "$LAB_DIR/logged.out" || { cat "$LAB_DIR/logged.out"; return 1; }
	IFS=: read -r _ log_tty log_process log_told < <(tr -d '\r' <"$LAB_DIR/logged.out" | grep -o 'at:/dev/.*')
	log_tty=${log_tty#/dev/}
}
log_over() { # nobody is in, and each of so many terminals has an end in wtmp
	! who /run/utmp | grep -q "^$log_name " && [ "$(last -w -f /var/log/wtmp $log_name | grep -c "^$log_name .* - [0-9:]* ")" = "$1" ]
}
log_ended() { log_wait log_over "$1" || { who -a /run/utmp; last -w -f /var/log/wtmp $log_name; return 1; }; }
log_dump() { # type, file: what stands in its last record of that type
	utmpdump "$2" 2>/dev/null | grep "^\[$1\]" | tail -1 | sed 's/^\[.\] \[0*\([0-9]*\)\]/[\1]/; s/ *\]/]/g; s/ \[[^]]*\]$//'
}
log_began() {
	local n
	log_in || return 1
	is "$log_name:1:" echo "$log_told" || return 1
	n=$(who /run/utmp | grep -c "^$log_name  *$log_tty .*($log_from)")
	[ "$n" = 1 ] || { who /run/utmp; return 1; }
	for n in /run/utmp /var/log/wtmp; do
		is "[$log_process] [${log_tty: -4}] [$log_name] [$log_tty] [$log_from] [$log_from]" log_dump 7 $n || return 1
	done
	last -w -f /var/log/wtmp $log_name >"$LAB_DIR/last"
	lastlog -u $log_name >>"$LAB_DIR/last"
	# "gone" is who is here, for last: nobody has given him a login uid, as that is a module of PAM's to do.
	grep -q "^$log_name  *$log_tty  *$log_from .*\(still logged in\|gone - no logout\)" "$LAB_DIR/last" &&
		grep -q "^$log_name  *$log_tty  *$log_from .*$(date +%Y)" "$LAB_DIR/last" || { cat "$LAB_DIR/last"; return 1; }
}
log_exit() {
	echo exit >&8
	exec 8>&-
	wait "$log_pid"
	log_ended "$1" && is "[$log_process] [${log_tty: -4}] [] [$log_tty] [] [0.0.0.0]" log_dump 8 /var/log/wtmp
}
log_last() { grep -cE "^Last login: [A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4} from $LAB_CLIENT_ADDR" "$LAB_DIR/logged.out"; }
log_motd() { tr -d '\r' <"$LAB_DIR/logged.out" | grep -A1 '^Last login: ' | grep -c '^Welcome here\.$'; }
log_cut() { # a client that is killed says nothing
	local n=0 pid
	log_in || return 1
	for pid in $(pgrep -f "$LAB_DIR/log_mux"); do kill -9 "$pid" && n=$((n + 1)); done
	exec 8>&-
	wait "$log_pid"
	[ $n -gt 0 ] && log_ended "$1"
}
log_pam() { # what PAM has given the session is there, too
	local log_name=pamed log_from=$LAB_CLIENT_ADDR6 log_user=pamed@$LAB_GW_OUTSIDE6

	log_began || return 1
	echo 'echo by:$PAMMED:' >&8
	log_wait grep -q 'by:yes:' "$LAB_DIR/logged.out" && log_exit 1
}
check_logs() {
	local records
	in_ssh -M -S "$LAB_DIR/log_mux" -f -N "$log_user"
	check "who is in stands in utmp, wtmp and lastlog before his shell begins" log_began
	check "who was never here is told nothing of it" is 0 log_last
	check "an end is written down" log_exit 1
	log_in
	check "when and whence he was here last is told" is 1 log_last
	check "and behind it the message of the day" is 1 log_motd
	check "an end, again" log_exit 2
	: >"$LAB_DIR/home/logged/.hushlogin"
	log_in
	check "but not who does not want it" is 0 log_last
	check "nor is the message" is 0 grep -c Welcome "$LAB_DIR/logged.out"
	rm "$LAB_DIR/home/logged/.hushlogin"
	log_exit 3
	records=$(stat -c %s /var/log/wtmp)
	check "no terminal, no record" is "" in_ssh -S "$LAB_DIR/log_mux" "$log_user" 'who | grep logged'
	check "nor in wtmp" is "$records" stat -c %s /var/log/wtmp
	in_ssh -S "$LAB_DIR/log_mux" -tt "$log_user" true </dev/null >"$LAB_DIR/logged.out"
	check "a command in a terminal has one, and is told nothing" is 0 log_last
	check "and an end" log_ended 4
	check "a client that is killed has an end" log_cut 5
	check "who comes over IPv6, in a session of PAM's, is written down as well" log_pam
}
check_logs_killed() { # his helper, without a word
	log_in || return 1
	kill -9 "$lab_helper_pid"
	wait "$lab_helper_pid" 2>/dev/null
	exec 8>&-
	wait "$log_pid"
	log_ended 6
}
