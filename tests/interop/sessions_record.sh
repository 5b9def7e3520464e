# tests/interop/sessions_record.sh - recordings of sessions; a part of test_sessions.sh.
tape() { # user: the latest recording of his, once its recorder has written the end
	local dir=$LAB_DIR/tapes n=400 f
	[ "$1" != full ] || dir=$LAB_DIR/small
	[ "$1" != gaps ] || dir=$LAB_DIR/small2
	f=$(find "$dir" -name "*-$1-*.cast" -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2)
	while [ -n "$f" ] && ls -l /proc/[0-9]*/fd 2>/dev/null | grep -qF -- "$f"; do
		[ $((n -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
	echo "$f"
}
replay() { # what, file: texts of such events, one behind the other
	/usr/bin/python3 -c '
import json, sys
lines = open(sys.argv[2], encoding="utf-8").read().splitlines()
head = json.loads(lines[0])
assert head["version"] == 2 and head["width"] > 0 and head["height"] > 0
for e in map(json.loads, lines[1:]):
    assert len(e) == 3 and e[0] >= 0
    if e[1] == sys.argv[1]: sys.stdout.buffer.write(e[2].encode())
' "$@"
}
recorded() { # pattern, user: his latest recording has it
	replay o "$(tape "$2")" >"$LAB_DIR/replayed" && grep -q "$1" "$LAB_DIR/replayed"
}
utf8() { /usr/bin/python3 -c 'import sys; sys.stdout.buffer.write("".join("zeile %d \u00e4\u20ac\U0001f600\r\n" % i for i in range(12000)).encode())'; }
utf8 >"$LAB_DIR/utf8"
chmod 644 "$LAB_DIR/utf8"
taped() { # the same bytes at the client and in the recording, behind what he is told
	in_ssh "taped@$LAB_GW_OUTSIDE" "cat $LAB_DIR/utf8; cat >/dev/null" <<<"never told" >"$LAB_DIR/seen" &&
		cmp -s "$LAB_DIR/seen" "$LAB_DIR/utf8" && replay o "$(tape taped)" >"$LAB_DIR/replayed" &&
		cmp -s "$LAB_DIR/replayed" <(echo "This session is recorded."; cat "$LAB_DIR/utf8") && ! grep -q 'never told' "$(tape taped)"
}
check "a recorded command replays to the same bytes" taped
check "and its user read so first" grep -q '^This session is recorded.' "$LAB_DIR/ssh.log"
writer() { # of a session that runs: a process of a user's who has nothing else
	local n=400 pid
	mkfifo "$LAB_DIR/recorded-hold"
	in_ssh "taped@$LAB_GW_OUTSIDE" "read x" <"$LAB_DIR/recorded-hold" & pid=$!
	exec 7>"$LAB_DIR/recorded-hold"
	until find /proc -maxdepth 1 -name '[0-9]*' -user sluice-record 2>/dev/null | grep -q .; do
		[ $((n -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
	exec 7>&-
	wait $pid
	return 0
}
check "its recorder is nobody else" writer
check "it is root's alone" is "root:600" stat -c %U:%a "$(tape taped)"
terminal() {
	in_ssh -tt "typed@$LAB_GW_OUTSIDE" < <(printf 'echo h\303\251llo\nexit\n') >/dev/null
	head -1 "$(tape typed)" | grep -q '"TERM":' && replay o "$(tape typed)" | grep -q $'h\303\251llo' &&
		is $'echo h\303\251llo\nexit' replay i "$(tape typed)"
}
check "a shell, and what was typed" terminal
much='head -c 200000 /dev/zero | tr "\0" x'
full() { # it ends, and says so
	! in_ssh "full@$LAB_GW_OUTSIDE" "$much; sleep 60" >"$LAB_DIR/seen" 2>&1 </dev/null
	grep -q 'cannot be recorded any more' "$LAB_DIR/ssh.log" && replay o "$(tape full)" | grep -q xxx
}
check "a full disk ends the session, with a word" full
gaps() {
	in_ssh "gaps@$LAB_GW_OUTSIDE" "$much" </dev/null | cmp -s - <(head -c 200000 /dev/zero | tr '\0' x) &&
		tape gaps >/dev/null && lab_wait_log "$lab_helper_pid" "$LAB_DIR/helper.log" 'bytes of the session are missing' 20 &&
		replay o "$(tape gaps)" | grep -q xxx
}
check "or the recording has a gap" gaps
check "without a folder nothing runs" status 254 in_ssh "notape@$LAB_GW_OUTSIDE" true
check "and that is said" grep -q 'has to be recorded, and cannot be' "$LAB_DIR/ssh.log"
umount "$LAB_DIR/small" "$LAB_DIR/small2"
check "a subsystem is not recorded" is "0" bash -c "printf 'pwd\n' | ip netns exec $LAB-client sftp -q -b - -P $LAB_PORT ${opts[*]:0:${#opts[@]}-2} notape@$LAB_GW_OUTSIDE >/dev/null 2>&1; echo \$?"
