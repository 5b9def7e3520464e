#!/bin/bash
# Another configuration at SIGHUP, with the three programs and OpenSSH's client: a banner, who may log in, an
# authority; a connection that lives over all of it; a file with an error; and SIGHUP while others log in.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
: "${SLUICE_BUILD:=$top/build}"
for tool in ssh ssh-keygen; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
. tests/interop/soft.sh
unset SLUICE_KEYS_IN_CONTROL
cd "$dir" || exit 1
mkdir run
me=$(id -un)
as=()
[ "$(id -u)" != 0 ] || ! id sluice >/dev/null 2>&1 || {
	as=(setpriv --reuid sluice --regid sluice --clear-groups)
	chown sluice: run
}
export SLUICE_RUN=$dir/run
for k in host id ca; do ssh-keygen -q -t ed25519 -N '' -f $k; done
ssh-keygen -q -s ca -I me -n "$me" id.pub
mv id-cert.pub cert.pub
echo "come in" >banner

conf() { # more…
	cat >next <<-CONF
		ListenAddress 127.0.0.1:22
		HostKey $dir/host
		AuthorizedKeysFile none
		PerSourcePenalties no
		EndRevokedSessions no
		MaxStartups 100
		LogLevel VERBOSE
	CONF
	printf '%s\n' "$@" >>next
	mv next sluice.conf
}
program="AuthorizedKeysCommand /bin/cat $dir/id.pub"
conf "$program" "AuthorizedKeysCommandUser $me"
for p in signer helper control; do
	"$SLUICE_BUILD/control/sluice-$p" -f sluice.conf >$p.log 2>&1 & pids+=($!)
	declare $p=$!
done
cp "$SLUICE_BUILD/tests/util/softplane" plane
"${as[@]}" ./plane run >plane.log 2>&1 & pids+=($!)
port=$(port_of plane.log)
wait_for 'Server listening' control.log
wait_for 'helper listens' helper.log

ssh_as() { # options…: into ssh.log
	timeout 10 ssh -F none -v -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=known \
		-o IdentitiesOnly=yes -o KexAlgorithms=curve25519-sha256 -i id -p "$port" "$@" "$me@127.0.0.1" -N >ssh.log 2>&1
}
login() { # options…
	ssh_as -o PermitLocalCommand=yes -o LocalCommand='kill $PPID' "$@"
	grep -q 'Authenticated to' ssh.log
}
reload() { # pattern of its line
	local n
	n=$(grep -c "$1" control.log)
	kill -HUP "$control"
	for _ in $(seq 1000); do [ "$(grep -c "$1" control.log)" -gt "$n" ] && return; sleep 0.02; done
	return 1
}
says() { grep -q "$1" "$2"; }

check "a login" login
ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=known -o IdentitiesOnly=yes -i id \
	-p "$port" -o ControlMaster=yes -S "$dir/master" "$me@127.0.0.1" -N >master.log 2>&1 & pids+=($!)
for _ in $(seq 1000); do [ -S master ] && break; sleep 0.02; done
alive() { ssh -S "$dir/master" -O check x 2>/dev/null; }
check "a connection that stays" alive

# --- a banner, and who may
conf "$program" "AuthorizedKeysCommandUser $me" "Banner $dir/banner"
check "another file" reload 'from now on others: Banner$'
check "a login under it" login
check "its banner" says '^come in' ssh.log
conf "$program" "AuthorizedKeysCommandUser $me" "AllowUsers somebody-else"
check "AllowUsers" reload 'from now on others: .*AllowUsers$'
check "nobody" refused login
check "who is in stays in" alive

# --- an authority; the program that knew the key is gone, here and in the helper
conf "TrustedUserCAKeys $dir/ca.pub"
check "an authority" reload 'from now on others: .*TrustedUserCAKeys.*AuthorizedKeysCommand'
check "the key alone" refused login
check "its certificate" login -o CertificateFile=cert.pub
ssh-keygen -q -t ed25519 -N '' -f ca2
conf "TrustedUserCAKeys $dir/ca2.pub"
check "another authority" reload 'from now on others: TrustedUserCAKeys$'
check "the certificate of the first" refused login -o CertificateFile=cert.pub

# --- errors, and what needs more
cp sluice.conf good
conf "TrustedUserCAKeys $dir/ca.pub" "Bannner $dir/banner"
check "an error" reload 'the configuration stays as it was'
check "its line" says "sluice.conf line 9: Bad configuration option: Bannner" control.log
check "the old one holds" refused login -o CertificateFile=cert.pub
conf "TrustedUserCAKeys $dir/ca.pub" "Port 2222" "Memory 1G"
check "what is not taken" reload 'not in force before a start of sluice-control: Port$'
check "and what is" login -o CertificateFile=cert.pub
check "no word of the signer's" refused says SIGHUP signer.log
kill -HUP "$signer"
wait_for 'Received SIGHUP; other host keys' signer.log
check "the signer signs on" login -o CertificateFile=cert.pub

# --- while others log in: each by the one or the other, and both let it in
storm() {
	for i in $(seq 4); do
		conf "$program" "AuthorizedKeysCommandUser $me" "MaxAuthTries $((i + 3))"
		kill -HUP "$control"
		sleep 0.15
	done
}
conf "$program" "AuthorizedKeysCommandUser $me"
check "the program again" reload 'from now on others: '
storm & storming=$!
failed=0
for _ in 1 2 3; do login || failed=$((failed + 1)); done
wait $storming
check "logins meanwhile, of which $failed failed" [ $failed = 0 ]
check "it was taken" says 'from now on others: MaxAuthTries' control.log
check "all three live" kill -0 "$signer" "$helper" "$control"
check "the first connection, too" alive
ssh -S "$dir/master" -O exit x 2>/dev/null
[ $failures = 0 ] || { tail -n 15 control.log helper.log; exit 1; }
echo "reload: all good"
