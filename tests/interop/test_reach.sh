#!/bin/bash
# libsluice to OpenSSH's sshd, straight and through real proxies: ssh -D (SOCKS4, 4A and 5),
# tinyproxy (CONNECT, with a password and without), one that wants Digest, a ProxyCommand; by files of known hosts that ssh
# reads, too, and sshd's keys learned. All in a network of its own.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
: "${SLUICE_BUILD:=$top/build}"
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
[ -n "${REACH_INSIDE:-}" ] || REACH_INSIDE=1 exec unshare -n -- "$0" "$@"
sshd=$(PATH=$PATH:/usr/sbin command -v sshd) || { echo "sshd is not installed"; exit 77; }
command -v tinyproxy >/dev/null || { echo "tinyproxy is not installed"; exit 77; }
probe=$SLUICE_BUILD/tests/interop/reach_probe
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice-reach.XXXXXX")
pids=()
finish() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap finish EXIT
chmod 755 "$dir"
mkdir -p /run/sshd
ip link set lo up
ip addr add 2001:db8::1/128 dev lo nodad
failures=0

spawn() { # log, command…
	local log=$1
	shift
	"$@" >"$dir/$log.log" 2>&1 </dev/null &
	pids+=($!)
}
listens() { # port
	for _ in $(seq 2000); do
		[ -z "$(ss -Hltn "sport = :$1")" ] || return 0
		sleep 0.01
	done
	echo "FAILED: nobody listens on $1"
	tail -5 "$dir"/*.log
	exit 1
}

# --- peers ------------------------------------------------------------------------------------
for t in ed25519 ecdsa; do ssh-keygen -q -t $t -N '' -f "$dir/host_$t"; done
ssh-keygen -q -t ed25519 -N '' -f "$dir/user"
ssh-keygen -q -t ed25519 -N '' -f "$dir/ca"
ssh-keygen -q -s "$dir/ca" -h -I host -n box.example "$dir/host_ed25519.pub"
cat >"$dir/sshd_config" <<END
ListenAddress 127.0.0.1:22
ListenAddress [2001:db8::1]:2222
HostKey $dir/host_ed25519
HostKey $dir/host_ecdsa
AuthorizedKeysFile $dir/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
END
sed "s/:22$/:23/; /2001/d; /ecdsa/d; \$aHostCertificate $dir/host_ed25519-cert.pub" \
	"$dir/sshd_config" >"$dir/sshd_cert_config"
spawn sshd "$sshd" -D -e -f "$dir/sshd_config"
spawn sshd_cert "$sshd" -D -e -f "$dir/sshd_cert_config"
for p in 3128 3129; do
	printf 'Port %s\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\n' $p >"$dir/tiny$p"
done
echo 'BasicAuth me secret' >>"$dir/tiny3129"
echo 'ConnectPort 22' >>"$dir/tiny3129"
spawn tiny tinyproxy -d -c "$dir/tiny3128"
spawn tiny_auth tinyproxy -d -c "$dir/tiny3129"
listens 22
spawn socks ssh -F none -N -D 127.0.0.1:1080 -i "$dir/user" -o StrictHostKeyChecking=no \
	-o UserKnownHostsFile=/dev/null root@127.0.0.1
sha256='Digest realm="a, b", nonce="NONCE", qop="auth-int,auth", algorithm=SHA-256, opaque="o="'
md5='Digest realm="a, b", nonce="NONCE", qop="auth", algorithm=MD5'
spawn digest_sha "$top/tests/interop/digest_proxy.py" 3130 "$sha256" "$md5" 'Basic realm="a"'
spawn digest_md5 "$top/tests/interop/digest_proxy.py" 3131 "Negotiate" "$md5" stale
for p in 23 2222 3128 3129 3130 3131 1080; do listens $p; done
echo secret >"$dir/password"
echo wrong >"$dir/wrong"
chmod 600 "$dir/password" "$dir/wrong"

# --- ways ----------------------------------------------------------------------------------------
export HOME=$dir
probe() { "$probe" ConnectTimeout=30 GlobalKnownHostsFile=none "$@" 2>"$dir/probe.log"; }
check() { # what, pattern of what is said, settings…
	local what=$1 pattern=$2 out
	shift 2
	out=$(probe "$@")
	if grep -qE "$pattern" <<<"$out" && ! grep -qE 'Sanitizer|runtime error' "$dir/probe.log"; then
		echo "ok: $what"
	else
		echo "FAILED: $what: $out"
		tail -5 "$dir/probe.log"
		failures=$((failures + 1))
	fi
}
any=(UserKnownHostsFile=none AcceptAnyHostKey=yes Hostname=127.0.0.1)
check 'straight' ^connected "${any[@]}"
check 'IPv6' ^connected "${any[@]}" Hostname=2001:db8::1 Port=2222
check 'a name of both families' ^connected "${any[@]}" Hostname=localhost
check 'IPv4 alone' ^connected "${any[@]}" Hostname=localhost AddressFamily=inet
check 'where nobody is' 'port 99: Connection refused' "${any[@]}" Port=99
check 'SOCKS4' ^connected "${any[@]}" Proxy=socks4://127.0.0.1
check 'SOCKS4A, a name' ^connected "${any[@]}" Hostname=localhost Proxy=socks4a://127.0.0.1
check 'SOCKS5' ^connected "${any[@]}" Proxy=socks5://localhost:1080
check 'SOCKS5, IPv6' ^connected "${any[@]}" Hostname=2001:db8::1 Port=2222 Proxy=socks5://127.0.0.1
check 'SOCKS5, a name' ^connected "${any[@]}" Hostname=localhost Proxy=socks5h://127.0.0.1
check 'SOCKS5 to where nobody is' 'proxy .*:' "${any[@]}" Port=99 Proxy=socks5h://127.0.0.1
check 'CONNECT' ^connected "${any[@]}" Proxy=http://127.0.0.1:3128
check 'CONNECT, a name, and more in its head' ^connected "${any[@]}" Hostname=localhost \
	Proxy=http://127.0.0.1:3128 "ProxyHeader=X-One: 1
X-Two: 2"
check 'CONNECT with a password' ^connected "${any[@]}" Proxy=http://me@127.0.0.1:3129 \
	ProxyPasswordFile="$dir/password"
check 'CONNECT with a wrong one' '40[17]' "${any[@]}" Proxy=http://me@127.0.0.1:3129 \
	ProxyPasswordFile="$dir/wrong"
check 'CONNECT without' 40[17] "${any[@]}" Proxy=http://127.0.0.1:3129
check 'Digest by SHA-256' ^connected "${any[@]}" Proxy=http://me@127.0.0.1:3130 ProxyPasswordFile="$dir/password"
check 'Digest by MD5, and a nonce that is too old' ^connected "${any[@]}" Hostname=2001:db8::1 Port=2222 \
	Proxy=http://me@127.0.0.1:3131 ProxyPasswordFile="$dir/password"
check 'Digest with a wrong password' 407 "${any[@]}" Proxy=http://me@127.0.0.1:3130 ProxyPasswordFile="$dir/wrong"
if [ -s "$dir/digest_sha.log" ]; then
	echo 'FAILED: a proxy that wants a digest was told the password'
	failures=$((failures + 1))
fi
check 'CONNECT to a port it does not like' 403 "${any[@]}" Hostname=2001:db8::1 Port=2222 \
	Proxy=http://me@127.0.0.1:3129 ProxyPasswordFile="$dir/password"
check 'a proxy that speaks something else' 'not an HTTP proxy|reset by peer' "${any[@]}" Proxy=http://127.0.0.1:22
check 'no proxy for this one' ^connected "${any[@]}" Proxy=http://127.0.0.1:99 \
	ProxyExceptions='*.example;127.*'
ALL_PROXY=socks5h://127.0.0.1:99 check 'a proxy by the environment' 'port 99' "${any[@]}" ProxyAutoDetect=yes
ALL_PROXY=socks5h://127.0.0.1:99 NO_PROXY=127.0.0.1 check 'and none for this one' ^connected \
	"${any[@]}" ProxyAutoDetect=yes
check 'a command' ^connected "${any[@]}" "ProxyCommand=ssh -F none -i $dir/user -o \
StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -W %h:%p root@127.0.0.1"
check 'a command that dies' '(closed|dropped)' "${any[@]}" 'ProxyCommand=exit 3'

# --- who it is -----------------------------------------------------------------------------------
known=(Hostname=127.0.0.1 UserKnownHostsFile="$dir/.ssh/known_hosts")
check 'nobody knows it' '^known 2: ' "${known[@]}"
check 'and nobody is asked' '^known 2: .*' "${known[@]}" StrictHostKeyChecking=yes
[ ! -e "$dir/.ssh/known_hosts" ] || { echo 'FAILED: it was added'; failures=$((failures + 1)); }
check 'it is added' ^connected "${known[@]}" StrictHostKeyChecking=accept-new HashKnownHosts=yes
check 'and known' '^known 1: ' 'UserKnownHostsFile=~/.ssh/known_hosts' Hostname=127.0.0.1 \
	StrictHostKeyChecking=yes
if ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$dir/.ssh/known_hosts" \
	-i "$dir/user" root@127.0.0.1 true 2>"$dir/ssh.log"; then
	echo 'ok: by ssh, too'
else
	echo 'FAILED: ssh does not know it'
	cat "$dir/ssh.log"
	failures=$((failures + 1))
fi
echo "127.0.0.1 $(cut -d' ' -f1,2 "$dir/user.pub")" >"$dir/changed"
check 'another key is known' '^known 3: .*changed:1' Hostname=127.0.0.1 UserKnownHostsFile="$dir/changed"
echo "127.0.0.1 $(cut -d' ' -f1,2 "$dir/host_ecdsa.pub")" >"$dir/ecdsa"
check 'the key that is known is asked for' '^known 1: .*ECDSA' Hostname=127.0.0.1 \
	UserKnownHostsFile="$dir/ecdsa" StrictHostKeyChecking=yes
echo "@cert-authority *.example $(cat "$dir/ca.pub")" >"$dir/authority"
check 'an authority knows it' '^known 1: .*authority' Hostname=127.0.0.1 HostKeyAlias=box.example \
	Port=23 UserKnownHostsFile="$dir/authority"
check 'by another name it does not' '^known [23]: ' Hostname=127.0.0.1 HostKeyAlias=other.example \
	Port=23 UserKnownHostsFile="$dir/authority"
check 'the same without a file' ^connected Hostname=box.example Port=23 UserKnownHostsFile=none \
	"AcceptHostCA=$(cat "$dir/ca.pub")" Proxy=none HostKeyAlias=box.example Hostname=127.0.0.1
check 'a fingerprint' ^connected Hostname=127.0.0.1 UserKnownHostsFile=none \
	AcceptHostKeyFingerprint="MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff,$(ssh-keygen -lf \
		"$dir/host_ed25519.pub" | cut -d' ' -f2)"
echo "@revoked * $(cat "$dir/host_ed25519.pub")" >"$dir/revoked"
check 'one that is revoked' '^known 4: ' "${any[@]}" UserKnownHostsFile="$dir/revoked"

# --- its other keys ------------------------------------------------------------------------------
echo "127.0.0.1 $(cut -d' ' -f1,2 "$dir/host_ed25519.pub")" >"$dir/learn"
check 'logged on, until it has proved its keys' ^connected Hostname=127.0.0.1 UserKnownHostsFile="$dir/learn" learn User=root \
	AuthMode=publickey identity="$dir/user" UpdateHostKeys=yes
if [ "$(cut -d' ' -f3 "$dir/learn" | sort)" = "$(cut -d' ' -f2 "$dir"/host_e{d25519,cdsa}.pub | sort)" ]; then
	echo 'ok: the other key was learned'
else
	echo 'FAILED: the other key was not learned'
	cat "$dir/learn" "$dir/probe.log"
	failures=$((failures + 1))
fi

echo "192.0.2.9 $(cut -d' ' -f1,2 "$dir/user.pub")" >"$dir/authority_other"
# --- keys of an agent, one of which is for this host alone ----------------------------------------
spawn agent ssh-agent -D -a "$dir/agent"
for _ in $(seq 2000); do
	[ ! -S "$dir/agent" ] || break
	sleep 0.01
done
export SSH_AUTH_SOCK=$dir/agent
agent=(Hostname=127.0.0.1 UserKnownHostsFile="$dir/learn" User=root AuthMode=publickey AgentAuth=require logon)
check 'an agent without keys' 'authentication failed' "${agent[@]}"
ssh-add -q "$dir/user"
check 'a key of the agent' ^connected "${agent[@]}"
check 'an agent that is not there' 'authentication failed' "${agent[@]}" IdentityAgent="$dir/none"
ssh-add -q -D
ssh-add -q -H "$dir/learn" -h 127.0.0.1 "$dir/user"
check 'a key for this host alone' ^connected "${agent[@]}"
ssh-add -q -D
ssh-add -q -H "$dir/authority_other" -h 192.0.2.9 "$dir/user"
check 'and one for another' 'authentication failed' "${agent[@]}"
if /usr/bin/python3 -c 'import cryptography' 2>/dev/null; then # security keys, of a token that is software
	for kind in ed25519 ecdsa; do
		spawn "token_$kind" /usr/bin/python3 "$top/tests/interop/sk_agent.py" "$dir/token_$kind" "$dir/token_$kind.pub" $kind
		for _ in $(seq 2000); do
			! grep -q ready "$dir/token_$kind.log" || break
			sleep 0.01
		done
		cat "$dir/token_$kind.pub" >>"$dir/user.pub"
		check "a security key of the agent, $kind" ^connected "${agent[@]}" IdentityAgent="$dir/token_$kind"
	done
fi

# --- for who is at the server: constraints hold behind it, as the agent is told whose channel that is -------
ssh-keygen -q -t ed25519 -N '' -f "$dir/behind"
ssh-keygen -q -t ed25519 -N '' -f "$dir/other"
sed "s/:22$/:24/; /2001/d; /ecdsa/d; s|^HostKey .*|HostKey $dir/other|; s|user.pub|behind.pub|" "$dir/sshd_config" >"$dir/sshd_other_config"
spawn sshd_other "$sshd" -D -e -f "$dir/sshd_other_config"
listens 24
printf '%s %s\n' 127.0.0.1 "$(cut -d' ' -f1,2 "$dir/host_ed25519.pub")" '[127.0.0.1]:24' "$(cut -d' ' -f1,2 "$dir/other.pub")" >"$dir/constraints"
onward() { # what, output, constraints…: from the server to the other one, with the agent that came along
	local what=$1 want=$2 out
	shift 2
	ssh-add -q -D
	ssh-add -q -H "$dir/constraints" "$@" "$dir/behind"
	out=$(timeout 60 "$SLUICE_BUILD/client/sluice" ssh -F none -A -i "$dir/user" -o IdentitiesOnly=yes -o UserKnownHostsFile="$dir/constraints" \
		-o BatchMode=yes root@127.0.0.1 "ssh -F none -p 24 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null 127.0.0.1 echo behind" \
		2>"$dir/onward.log")
	if [ "$out" = "$want" ]; then
		echo "ok: $what"
	else
		echo "FAILED: $what: $out"
		cat "$dir/onward.log"
		failures=$((failures + 1))
	fi
}
onward 'a key for who comes by way of the server' behind -h 127.0.0.1 -h '127.0.0.1>[127.0.0.1]:24'
onward 'a key for who is here alone' '' -h '[127.0.0.1]:24'

[ $failures = 0 ] || exit 1
