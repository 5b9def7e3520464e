# Sourced by scripts/unprivileged for test_drain.sh: $dir, ports and pids are its; its ssh -N -L is there.

kill -QUIT "$dataplane_pid" # as sshd, which takes it for TERM
wait_for 'have 1000 ms to end' "$dir/dataplane.log" "$dataplane_pid"
# Nobody comes in, who is in goes on.
(exec 4<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && { echo "somebody came in"; exit 1; }
curl --silent --fail --max-time 5 -r 0-9999 -o "$dir/mine/part" "http://127.0.0.1:$forward/file" &&
	cmp -s -n 10000 "$dir/mine/part" "$dir/www/file" || { echo "who was in did not go on"; exit 1; }
wait "$dataplane_pid" || { echo "the dataplane ended with $?"; exit 1; }
wait "$ssh_pid"
grep -q 'Received disconnect from 127.0.0.1 port [0-9]*:11: shutting down' "$dir/ssh.log" ||
	{ echo "the client was not told:"; cat "$dir/ssh.log"; exit 1; }
echo "drained: nobody came in, who was in went on and was told to go"
exit 0
