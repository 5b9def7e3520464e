#!/bin/bash
# The command sluice - ssh, exec, forward, scan - against OpenSSH's sshd, Dropbear, servers of libssh and paramiko, and
# a gateway of Sluice: a program's three streams and its end, a terminal with escapes, jump hosts, forwards of every
# kind, SOCKS, host keys that are new, known and changed, what is said when it fails.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
: "${SLUICE_BUILD:=$top/build}"
[ "$(id -u)" = 0 ] || { echo "namespaces need root"; exit 77; }
options=$* # --save writes what servers of others can do into docs/interop.md
[ -n "${SLUICE_TEST_NETNS:-}" ] || SLUICE_TEST_NETNS=yes exec unshare -n -m "$0" "$@"
for tool in sshd dropbear dropbearkey ssh-keygen curl python3; do
	command -v $tool >/dev/null || [ -x /usr/sbin/$tool ] || { echo "no $tool"; exit 77; }
done
ip link set lo up
. tests/interop/soft.sh
. tests/interop/cells.sh
cd "$dir" || exit 1
export LC_ALL=C
sluice=$SLUICE_BUILD/client/sluice
user=$(id -un)

# --- three servers, each on a port of this namespace ------------------------------------------
for k in host rsa id; do ssh-keygen -q -t "$([ $k = rsa ] && echo rsa || echo ed25519)" -N '' -f $k; done
mkdir -p run keys /run/sshd ~/.ssh
mount -t tmpfs -o mode=700 none ~/.ssh # where Dropbear looks for keys; of this namespace alone
cp id.pub ~/.ssh/authorized_keys
cp id.pub keys/tester
cp id.pub keys/"$user"
cat >sshd_config <<CONF
Port 2201
ListenAddress 127.0.0.1
HostKey $dir/host
HostKey $dir/rsa
AuthorizedKeysFile $dir/id.pub
StrictModes no
PidFile none
UsePAM no
PermitRootLogin yes
AcceptEnv X*
MaxStartups 100
GatewayPorts clientspecified
X11Forwarding yes
LogLevel DEBUG1
SetEnv XAUTHORITY=$dir/there
Subsystem echo /bin/cat
CONF
$(command -v sshd || echo /usr/sbin/sshd) -D -f "$dir/sshd_config" -E "$dir/sshd.log" & pids+=($!)
dropbearkey -t ed25519 -f dbkey >/dev/null 2>&1
dropbear -F -E -r dbkey -p 127.0.0.1:2202 -s 2>dropbear.log & pids+=($!)
cat >sluice.conf <<CONF
ListenAddress 127.0.0.1:2203
HostKey $dir/host
AuthorizedKeysFile $dir/keys/%u
StrictModes no
PermitOpen 127.0.0.1:*
PerSourcePenalties no
CONF
export SLUICE_RUN=$dir/run
"$SLUICE_BUILD/dataplane/sluice-dataplane" -f sluice.conf >dataplane.log 2>&1 & pids+=($!)
"$SLUICE_BUILD/control/sluice-control" -f sluice.conf >control.log 2>&1 & pids+=($!)
head -c 3000000 /dev/urandom >data
serve_files 2204
cat >config <<CONF
Host *
	UserKnownHostsFile $dir/known
	GlobalKnownHostsFile none
	IdentityFile $dir/id
	User $user
	BatchMode yes
	StrictHostKeyChecking accept-new
	Hostname 127.0.0.1
Host sshd jumped
	Port 2201
Host dropbear
	Port 2202
Host gate
	Port 2203
	User tester
Host libssh
	Port 2207
Host paramiko
	Port 2208
Host jumped
	ProxyJump gate,sshd
Host command
	Port 2201
	ProxyCommand $sluice ssh -F $dir/config -W %h:%p gate
CONF
s() { timeout 60 "$sluice" "$1" -F config "${@:2}"; }
wait_for 'Server listening' sshd.log
wait_for 'Server listening' control.log
wait_for 'Not backgrounding' dropbear.log
wait_for serving http.log

# --- programs: their streams, their ends ---------------------------------------------------------
status() { # wanted, command…
	local want=$1 got
	shift
	"$@"
	got=$?
	[ "$got" = "$want" ] || { echo "status $got instead of $want"; return 1; }
}
says() { # wanted, command…: on standard output
	local want=$1 got
	shift
	got=$("$@" 2>err </dev/null)
	[ "$got" = "$want" ] || { echo "\"$got\" instead of \"$want\""; cat err; return 1; }
}
apart() { # host
	s ssh "$1" 'echo out; echo err >&2; exit 7' >o 2>e </dev/null
	local r=$?
	[ $r = 7 ] && [ "$(cat o)" = out ] && [ "$(grep -v Warning e)" = err ] || { echo "status $r"; cat o e; return 1; }
}
through() { s exec "$1" 'cat; exit 3' <data >back; [ $? = 3 ] && cmp data back; }
for host in sshd dropbear; do
	check "$host: a file there and back" through $host
	check "$host: a program that a signal ends" status 255 s ssh $host 'kill -9 $$'
done
check "sshd: variables that are sent" says 'bar a b' env XFOO=bar timeout 60 "$sluice" ssh -F config \
	-o SendEnv='X*' -o 'SetEnv=XBAR="a b"' sshd 'echo $XFOO $XBAR'
check "sshd: a subsystem" says hi bash -c "echo hi | $sluice ssh -F config -s sshd echo"
check "sshd: RemoteCommand" says "at $user" s ssh -o 'RemoteCommand=echo at %r' sshd
check "sshd: a command that is not found" status 127 s ssh sshd no-such-command
for cipher in aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr; do
	check "sshd: by $cipher, keys exchanged on the way" says "$(md5sum <data)" \
		bash -c "$sluice exec -F config -c $cipher -C -o RekeyLimit=1M sshd md5sum <data"
done

# --- servers of libraries: all that they are able to ----------------------------------------------
others=(sshd dropbear)
if [ -x "$SLUICE_BUILD/tests/interop/libssh_server" ]; then
	"$SLUICE_BUILD/tests/interop/libssh_server" 2207 host id.pub >libssh.log 2>&1 & pids+=($!)
	wait_for listening libssh.log
	others+=(libssh)
fi
if /usr/bin/python3 -c 'import paramiko' 2>/dev/null; then
	/usr/bin/python3 -W ignore "$top/tests/interop/paramiko_server.py" 2208 host id.pub >paramiko.log 2>&1 & pids+=($!)
	wait_for listening paramiko.log
	others+=(paramiko)
fi
cat >read.py <<'PY'
import json, sys, time
for _ in range(600):
    l = [json.loads(x) for x in open(sys.argv[1])]
    if len(l) == int(sys.argv[2]): break
    time.sleep(0.05)
print(*[x.get('port', '') for x in l])
PY
get() { curl -sS --max-time 30 "$@" -o got && cmp data got; }
rekeyed() { s exec -o RekeyLimit=1M "$1" 'cat; exit 3' <data >back; [ $? = 3 ] && cmp data back; }
in_terminal() { # host
	printf 'stty size; echo $((6 * 7)); exit 4\n' | s ssh -tt "$1" >o 2>e
	[ "${PIPESTATUS[1]}" = 4 ] && grep -q 42 o || { cat o e; return 1; }
}
forwards() { # host: its three kinds, at once
	local pid here there socks r
	"$sluice" forward --json -F config -L 0:127.0.0.1:2204 -D 0 -R 0:127.0.0.1:2204 "$1" >"$1.out" 2>"$1.err" & pid=$!
	read -r here socks there <<<"$(python3 read.py "$1.out" 3)"
	get "http://127.0.0.1:$here/data" && get "http://127.0.0.1:$there/data" &&
		get -x "socks5h://127.0.0.1:$socks" http://127.0.0.1:2204/data
	r=$?
	kill $pid
	wait $pid
	[ $r = 0 ] || cat "$1.out" "$1.err"
	return $r
}
for host in "${others[@]}"; do
	cell $host exec "$host: output, errors and status apart" apart $host
	cell $host RekeyLimit "$host: a file there and back, keys exchanged on the way" rekeyed $host
	cell $host terminal "$host: a shell in a terminal" in_terminal $host
	cell $host -L,-R,-D "$host: forwards of each kind" forwards $host
done
cell Sluice -L,-R,-D "gate: forwards of each kind" forwards gate
cells_save "$top" "$options" sshd="$(ssh -V 2>&1 | sed 's/OpenSSH_\([0-9.]*\).*/\1/')" dropbear="$(dropbear -V 2>&1 | sed 's/.*v//')" \
	libssh="$(dpkg-query -W -f='${Version}' libssh-4 2>/dev/null | sed 's/-.*//')" \
	paramiko="$(/usr/bin/python3 -W ignore -c 'import paramiko; print(paramiko.__version__)' 2>/dev/null)"

# --- ways there -----------------------------------------------------------------------------------
check "by two jump hosts, one of them ours" says jumped s ssh jumped echo jumped
check "by a ProxyCommand that is sluice -W" says proxied s ssh command echo proxied
check "a jump host that has no way there" status 255 s ssh -J gate -p 1 sshd true
# A jump host has a configuration of its own, and what is asked or wrong on the way is said by its name.
cat >hop.config <<CONF
Host gate
	UserKnownHostsFile $dir/gate.known
	IdentityFile $dir/hop
	User tester
	PasswordAuthentication no
	BatchMode no
	StrictHostKeyChecking ask
CONF
sed /IdentityFile/d config >>hop.config
cp id hop
hop() { SSH_ASKPASS=$dir/hopask SSH_ASKPASS_REQUIRE=force timeout 60 "$sluice" ssh -F hop.config -i "$dir/id" -J "$1" sshd echo in 2>said </dev/null; }
printf '#!/bin/sh\necho yes\n' >hopask
chmod +x hopask
hops_own() { says in hop gate && grep -q "authenticity of host '\[127.0.0.1\]:2203" said && [ "$(wc -l <gate.known)" = 1 ]; }
check "a jump host: its own known hosts and question" hops_own
hop_gone() { ! hop gate:1 && grep -q '127.0.0.1 port 1: ' said; }
check "a jump host that is not there, likewise" hop_gone
ssh-keygen -q -t ed25519 -N '' -f hop <<<y >/dev/null
hop_denied() { ! hop gate && grep -q '^tester@127.0.0.1: Permission denied (' said; }
check "a jump host: its own identity alone, and it is said who was not let in" hop_denied

# By a proxy: SOCKS by sluice itself, one of HTTP that wants a digest.
"$sluice" forward --json -F config -D 0 sshd >by_socks.out 2>&1 & pids+=($!)
python3 "$top/tests/interop/digest_proxy.py" 2211 'Digest realm="a", algorithm=SHA-256, nonce="NONCE", qop="auth"' >digest.log 2>&1 & pids+=($!)
wait_for listening by_socks.out
for _ in $(seq 600); do (: </dev/tcp/127.0.0.1/2211) 2>/dev/null && break; sleep 0.05; done
by_socks=127.0.0.1:$(python3 read.py by_socks.out 1)
(umask 077; echo secret >proxy.pass)
cp proxy.pass proxy.open
chmod 644 proxy.open
by_http() { says in s ssh -o Proxy=http://me@127.0.0.1:2211 "$@" sshd echo in; }
check "Proxy" says in s ssh -o Proxy=socks5h://$by_socks -o ProxyCommand=/bin/false sshd echo in
(echo "Host gate"; echo "Proxy socks5://$by_socks"; cat config) >hop.config
check "Proxy: a jump host by its own" says in s ssh -F hop.config -J gate sshd echo in
check "ProxyPasswordFile" by_http -o ProxyPasswordFile="$dir/proxy.pass"
check "ProxyPasswordFile: one that others may read" refused by_http -o ProxyPasswordFile="$dir/proxy.open"
check "it is said" grep -q 'others may read it' err
check "who asks nobody has no password for a proxy" refused by_http
printf '#!/bin/sh\necho "$1" >>%s/asked\necho secret\n' "$dir" >proxyask
chmod +x proxyask
proxy_asked() {
	rm -f asked
	SSH_ASKPASS=$dir/proxyask SSH_ASKPASS_REQUIRE=force by_http -o BatchMode=no &&
		[ "$(cat asked)" = "me@127.0.0.1 port 2211, proxy's password: " ]
}
check "a proxy's password is asked for" proxy_asked
never_there() { status 255 s ssh -o Proxy=http://me:secret@127.0.0.1 sshd true && ! grep -q secret "$dir/out"; }
check "no password on a command line" never_there
cat - config >by_proxy.config <<CONF
Host tunnelled
	Port 2201
	Proxy http://me@127.0.0.1:2211
	ProxyPasswordFile $dir/proxy.pass
	LocalForward $dir/by_proxy.sock 127.0.0.1:2204
	DynamicForward 127.0.0.1:2212
CONF
"$sluice" tunnel --json -F by_proxy.config tunnelled >by_proxy.out 2>&1 & pids+=($!)
wait_for '"up"' by_proxy.out
check "a tunnel by a proxy" curl -sS --max-time 30 --unix-socket by_proxy.sock -o got http://x/host.pub
check "a tunnel: DynamicForward" get -x socks5h://127.0.0.1:2212 http://127.0.0.1:2204/data
cat - config >asks.config <<CONF
Host asks
	Port 2201
	ProxyJump gate
	LocalForward $dir/asks.sock 127.0.0.1:2204
	Reconnect never
Host gate
	UserKnownHostsFile /dev/null
	StrictHostKeyChecking ask
	BatchMode no
CONF
unattended() { # nor does it wait for an answer that nobody gives
	rm -f asked
	SSH_ASKPASS=$dir/proxyask SSH_ASKPASS_REQUIRE=force timeout 60 "$sluice" tunnel -F asks.config asks 2>said
	[ $? = 255 ] && [ ! -e asked ] && grep -q 'Host key verification failed' said || { cat said; return 1; }
}
check "a tunnel asks nobody, not for its jump host either" unattended
# The proxy is at loopback, and the server nobody knows is not.
proxys_own() { status 255 s ssh -o Proxy="socks5://$by_socks" -o NoHostAuthenticationForLocalhost=yes -o UserKnownHostsFile=/dev/null \
	-o StrictHostKeyChecking=yes sshd true; }
check "a proxy at loopback does not make its servers local" proxys_own

# S-75: a key is that of the name, address and port it was shown for; a jump host's is never its target's.
sed "s#$dir/known\$#$dir/s75#" config >s75.config
by_gate() { timeout 60 "$sluice" ssh -F s75.config -J gate "$@" dropbear true; }
key_of() { ssh-keygen -F "[127.0.0.1]:$1" -f s75 | awk '!/^#/ { print $3 }'; }
db=$(dropbearkey -y -f dbkey | awk '/^ssh-/ { print $2 }') gate=$(cut -d' ' -f2 host.pub)
each_its_own() { by_gate && [ "$(wc -l <s75)" = 2 ] && [ "$(key_of 2202)" = "$db" ] && [ "$(key_of 2203)" = "$gate" ]; }
check "S-75: a jump host and its target are known by a key each" each_its_own
sed -i /:2202/d s75
gates_alone() { status 255 by_gate -o StrictHostKeyChecking=yes && [ "$(wc -l <s75)" = 1 ]; }
check "S-75: who knows the jump host does not know its target" gates_alone
echo "[127.0.0.1]:2202 ssh-ed25519 $gate" >>s75
gates_key() { status 255 by_gate && grep -q 'THE HOST KEY OF .* HAS CHANGED' "$dir/out" && [ "$(key_of 2202)" = "$gate" ]; }
check "S-75: a target is not believed for the jump host's key" gates_key

# --- many hosts, and for programs -------------------------------------------------------------------
check "many: each line with its host" says $'dropbear: hi\nsshd: hi' bash -c "$sluice exec -F config sshd,dropbear 'echo hi' | sort"
check "many: a line is said when it is whole" says 'sshd: one' timeout 60 python3 -c '
import subprocess, sys
p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
print(p.stdout.readline().decode().strip())
open("told", "w")
p.wait()' "$sluice" exec -F config sshd,sshd "echo one; until [ -e $dir/told ]; do sleep 0.1; done"
check "many: much of each, whole" says "$(yes 'sshd: a line of some length' | head -n 100000 | md5sum)" bash -c \
	"$sluice exec -F config sshd,none.invalid 'yes a line of some length | head -n 100000' 2>/dev/null | md5sum"
check "json: of more than is kept the number" says '5805696 4194304' bash -c "$sluice exec --json -F config sshd 'head -c 10000000 /dev/zero | tr \\\\000 x' |
	python3 -c 'import json, sys; o = json.loads(sys.stdin.read()); print(o[\"dropped\"], len(o[\"stdout\"]))'"
check "many: one that is not there" status 255 s exec sshd,none.invalid true
check "json" says '{"host":"sshd","status":5,"stdout":"o\n","stderr_base64":"/w=="}' \
	bash -c "$sluice exec --json -F config sshd 'echo o; printf \"\\377\" >&2; exit 5'"

# --- forwards ---------------------------------------------------------------------------------------
"$sluice" forward --json -F config -L 0:127.0.0.1:2204 -L "$dir/l.sock:127.0.0.1:2204" -L 127.0.0.1:0:127.0.0.1:1 \
	-D 0 -L '[::1]:0:127.0.0.1:2204' gate >forward.out 2>forward.log & pids+=($!)
forward=$!
read -r local _ dead six socks <<<"$(python3 read.py forward.out 5 | sed 's/  / - /')"
check "forward: a port that was chosen" get "http://127.0.0.1:$local/data"
check "forward: of the other family" get "http://[::1]:$six/data"
check "forward: a UNIX socket" get --unix-socket l.sock http://x/data
for kind in socks4 socks4a socks5 socks5h; do
	check "forward: $kind" get -x "$kind://127.0.0.1:$socks" http://127.0.0.1:2204/data
done
check "forward: a target that is not there" refused get "http://127.0.0.1:$dead/"
wait_for 'open failed' forward.log
check "forward: a name for it that is taken" status 255 s forward -L "$local:127.0.0.1:1" sshd
kill $forward
wait $forward
check "forward: the socket's file is gone" refused test -e l.sock
check "forward: a user that must not" refused s ssh -W 127.0.0.2:2204 gate

# What the server listens at: a port it chose, a path, and SOCKS for who is there.
"$sluice" forward --json -F config -o PermitRemoteOpen=127.0.0.1:2204 -R 0:127.0.0.1:2204 -R "$dir/r.sock:127.0.0.1:2204" \
	-R 127.0.0.1:0 -R 0:127.0.0.1:1 sshd >remote.out 2>remote.log & pids+=($!)
read -r there _ dynamic nowhere <<<"$(python3 read.py remote.out 4 | sed 's/  / - /')"
check "remote: a port that was chosen" get "http://127.0.0.1:$there/data"
check "remote: a UNIX socket" get --unix-socket r.sock http://x/data
check "remote: socks4a" get -x "socks4a://127.0.0.1:$dynamic" http://127.0.0.1:2204/data
check "remote: socks5" get -x "socks5h://127.0.0.1:$dynamic" http://127.0.0.1:2204/data
check "remote: socks to where it must not" refused get -x "socks5h://127.0.0.1:$dynamic" http://127.0.0.1:2202/
wait_for PermitRemoteOpen remote.log
check "remote: a target that is not there" refused get "http://127.0.0.1:$nowhere/"
"$sluice" forward --json -F config -R 127.0.0.1:2210:127.0.0.1:1 -R 127.0.0.2:2210:127.0.0.1:2204 sshd >two.out 2>two.log & pids+=($!)
read -r _ second <<<"$(python3 read.py two.out 2)"
check "remote: one port at two addresses" get "http://127.0.0.2:$second/data"
check "remote: a path the server cannot listen at" status 255 s forward -R /none/such:127.0.0.1:2203 sshd

# --- an agent's keys, certificates, and the agent for who is at the server --------------------------
eval "$(ssh-agent -a "$dir/agent")" >/dev/null
pids+=("$SSH_AGENT_PID")
ssh-keygen -q -t ed25519 -N '' -C kept -f kept
cat kept.pub >>id.pub
cp kept.pub kept_only.pub
ssh-add -q kept
rm kept
bare() { timeout 60 "$sluice" ssh -F none -o UserKnownHostsFile="$dir/known" -o BatchMode=yes -p 2201 "$@"; }
check "agent: a key" says in bare -o IdentityFile=none 127.0.0.1 echo in
check "agent: it alone, by its public half" says in bare -o IdentitiesOnly=yes -i kept 127.0.0.1 echo in
check "agent: not asked" status 255 bare -o IdentityAgent=none -o IdentityFile=none 127.0.0.1 true
check "agent: for who is at the server" says 1 bare -A 127.0.0.1 'ssh-add -l | grep -c kept'
check "agent: nobody else" says 0 bare -a 127.0.0.1 'ssh-add -l 2>/dev/null | grep -c kept'
ssh-keygen -q -t ed25519 -N '' -f bound
cp bound.pub bound_only.pub
cat bound.pub >>id.pub
check "agent: one for this host alone is taken" ssh-add -q -H "$dir/known" -h '[127.0.0.1]:2201' bound
rm bound
check "agent: a key for this host alone" says in bare -o IdentitiesOnly=yes -i bound_only 127.0.0.1 echo in
ssh-keygen -q -t ed25519 -N '' -f stray
tried() { # a key that is not let in is shown once
	local before
	before=$(grep -c 'method publickey' sshd.log)
	ssh-agent bash -c 'ssh-add -q stray && timeout 60 "$@"' - "$sluice" ssh -F none -o UserKnownHostsFile="$dir/known" \
		-o BatchMode=yes -o IdentityFile=none -p 2201 127.0.0.1 true
	[ "$(grep -c 'method publickey' sshd.log)" = $((before + 1)) ]
}
check "agent: a key is tried once" tried
ssh-keygen -q -t ed25519 -N '' -f ca
ssh-keygen -q -t ed25519 -N '' -f signed
ssh-keygen -q -s ca -I it -n "$user" signed.pub
echo "cert-authority $(cat ca.pub)" >>id.pub
check "a certificate beside its key" says in bare -o IdentityAgent=none -i signed 127.0.0.1 echo in
mv signed-cert.pub other
check "CertificateFile" says in bare -o IdentityAgent=none -i signed -o CertificateFile="$dir/other" 127.0.0.1 echo in

openssl req -x509 -newkey rsa:2048 -nodes -keyout p12.key -out p12.crt -subj /O=Lab/CN=me -days 3 2>/dev/null
openssl pkcs12 -export -inkey p12.key -in p12.crt -passout pass:store -out store.p12
(umask 077; echo store >store.pass; echo wrong >wrong.pass)
chmod 600 p12.key store.p12
"$sluice" keygen -y -f p12.key >>id.pub
stored() { bare -o IdentityAgent=none -o "IdentityFile=$dir/store.p12 format=pfx $1" 127.0.0.1 echo in; }
check "a key in a store, by its subject" says in stored "passphrase-file=$dir/store.pass subject=CN=me"
check "not by another's" status 255 stored "passphrase-file=$dir/store.pass subject=CN=you"
check "nor by another passphrase" status 255 stored "passphrase-file=$dir/wrong.pass"

if /usr/bin/python3 -c 'import cryptography' 2>/dev/null; then # security keys, of a token that is software
	for kind in ed25519 ecdsa; do
		/usr/bin/python3 "$top/tests/interop/sk_agent.py" "$dir/token_$kind" "$dir/token_$kind.pub" $kind >token_$kind.log 2>&1 & pids+=($!)
		wait_for ready token_$kind.log
		cat token_$kind.pub >>id.pub
		check "agent: a security key, $kind" says in bare -o IdentityFile=none -o IdentityAgent="$dir/token_$kind" 127.0.0.1 echo in
	done
	finger() { kill -USR1 "${pids[-1]}"; }
	finger
	check "agent: nobody touched it" status 255 bare -o IdentityFile=none -o IdentityAgent="$dir/token_ecdsa" 127.0.0.1 true
fi
unset SSH_AUTH_SOCK

# --- passwords and prompts, by an askpass program that is wrong at first -----------------------------
cat >asks.py <<'PY'
import paramiko, socket, sys, threading, time
class Server(paramiko.ServerInterface):
    first = True
    def get_allowed_auths(self, user):
        return {'word': 'password', 'twice': 'password', 'both': 'keyboard-interactive,publickey'}.get(user, 'keyboard-interactive')
    def check_auth_publickey(self, user, key): return paramiko.AUTH_SUCCESSFUL if user == 'both' else paramiko.AUTH_FAILED
    def check_auth_password(self, user, word):
        if word != 'secret': return paramiko.AUTH_FAILED
        part, self.first = user == 'twice' and self.first, False
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL if part else paramiko.AUTH_SUCCESSFUL
    def check_auth_interactive(self, user, methods):
        return paramiko.InteractiveQuery('Title', 'Do \x1b[2J \x9b2J it', ('Word:', False), ('Name: ', True))
    def check_auth_interactive_response(self, answers):
        return paramiko.AUTH_SUCCESSFUL if answers == ['secret', 'bob'] else paramiko.AUTH_FAILED
    def check_channel_request(self, kind, chan): return paramiko.OPEN_SUCCEEDED
    def check_channel_exec_request(self, chan, command):
        threading.Thread(target=lambda: (chan.send(b'in\n'), chan.send_exit_status(4), chan.close())).start()
        return True
s = socket.socket()
s.bind(('127.0.0.1', 2205))
s.listen(5)
print('serving', flush=True)
while True:
    t = paramiko.Transport(s.accept()[0])
    t.add_server_key(paramiko.RSAKey(filename=sys.argv[1]))
    t.start_server(threading.Event(), Server()) # of who goes at once it would say so, and end
PY
cat >askpass <<'SH'
#!/bin/sh
echo "$1" >>asked
case $1 in
*Name*) echo bob ;;
*) [ "$(grep -c -e password -e Word asked)" -gt 1 ] && echo secret || echo wrong ;;
esac
SH
chmod +x askpass
asked() { # user, the prompts
	rm -f asked
	SSH_ASKPASS=$dir/askpass SSH_ASKPASS_REQUIRE=force timeout 60 "$sluice" ssh -F none -o IdentityFile=none \
		-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="$dir/known" -p 2205 "$1@127.0.0.1" x >o 2>said </dev/null
	[ $? = 4 ] && [ "$(cat o)" = in ] && [ "$(sort -u asked | tr '\n' '|')" = "$2" ] && ! grep -q -e $'\033' -e $'\302\233' said ||
		{ cat asked said; return 1; }
}
if /usr/bin/python3 -c 'import paramiko' 2>/dev/null; then
	/usr/bin/python3 asks.py rsa >asks.log 2>&1 & pids+=($!)
	wait_for serving asks.log
	check "a password, the second time" asked word "word@127.0.0.1's password: |"
	check "who asks nobody has no prompts, and goes on with a key" status 4 \
		s ssh -o PreferredAuthentications=keyboard-interactive,publickey -o UserKnownHostsFile="$dir/known" -p 2205 both@127.0.0.1 x
	check "prompts of a stranger's, the second time" asked prompts '(prompts@127.0.0.1) Name: |(prompts@127.0.0.1) Word:|'
fi

# --- host keys ---------------------------------------------------------------------------------------
check "scan: what ssh-keyscan finds" says "$(ssh-keyscan -p 2201 127.0.0.1 2>/dev/null | sort)" \
	bash -c "$sluice scan -p 2201 127.0.0.1 | sort"
cat >as_line.py <<'PY'
import json, sys
for o in map(json.loads, sys.stdin):
    if set(o) != {'host', 'port', 'type', 'key', 'sha256'} or o['key'].split()[0] != o['type']: sys.exit('not of a key: %r' % o)
    print(o['host'], o['port'], o['sha256'])
PY
check "scan: for programs" says "$(for k in host rsa; do echo "127.0.0.1 2201 $(ssh-keygen -lf $k.pub | cut -d' ' -f2)"; done | sort)" \
	bash -c "$sluice scan --json -p 2201 127.0.0.1 | python3 as_line.py | sort"
check "scan: nobody there" status 1 "$sluice" scan -T 5 -p 1 127.0.0.1
# A server that goes at once, with words that would clear the screen: by "sluice scan", and "exec" at several.
cat >goes.py <<'PY'
import socket, struct
text = b'bye \x1b[2J\x9b2J'
m = b'\x01' + struct.pack('>II', 11, len(text)) + text + struct.pack('>I', 0)
pad = 8 - (5 + len(m)) % 8 + 8
s = socket.create_server(('127.0.0.1', 2206))
print('serving', flush=True)
while True:
    c = s.accept()[0]
    c.sendall(b'SSH-2.0-goes\r\n' + struct.pack('>IB', len(m) + pad + 1, pad) + m + bytes(pad))
    c.shutdown(socket.SHUT_WR)
    c.recv(65536)
PY
python3 goes.py >goes.log 2>&1 & pids+=($!)
wait_for serving goes.log
quietly() { # command…: says why it went, and nothing that steers a terminal
	"$@" >said 2>&1
	grep -q 'bye ?\[2J?2J' said && ! LC_ALL=C grep -q -e $'\033' -e $'\233' said || { cat -v said; return 1; }
}
check "scan: what a server says does nothing to a terminal" quietly "$sluice" scan -v -p 2206 127.0.0.1
check "many: likewise" quietly timeout 60 "$sluice" exec -F config -p 2206 sshd,dropbear true
hashed() { "$sluice" scan -H -t ed25519 -p 2201 127.0.0.1 >hashed && grep -q '^|1|' hashed &&
	s ssh -o UserKnownHostsFile="$dir/hashed" -o StrictHostKeyChecking=yes sshd true; }
check "scan: names that are hidden are found" hashed
found() { s ssh -v sshd true 2>said && grep -q 'Found key in' said && ! grep -q 'nobody knows' said; }
check "of a key that is found it is not said that nobody knows it" found
levels() { # -vv: packets, of which those with passwords have no length; -vvv: bytes, too
	s ssh -vv sshd true 2>said && grep -q '^debug2: sent USERAUTH_REQUEST$' said &&
		grep -q '^debug2: received CHANNEL_OPEN_CONFIRMATION, [0-9]* bytes$' said && ! grep -q 'bytes sent$' said &&
		s ssh -vvv sshd true 2>said && grep -q '^debug3: [0-9]* bytes sent$' said && grep -q '^debug3: [0-9]* bytes received$' said &&
		s ssh -v sshd true 2>said && ! grep -q -e 'debug[23]:' said
}
check "what -v, -vv and -vvv tell" levels
check "strict: a host nobody knows" status 255 s ssh -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes sshd true
sed "s/$(cut -d' ' -f2 host.pub | sed 's/[/+]/./g')/$(head -n 1 id.pub | cut -d' ' -f2 | sed 's/[/&]/\\&/g')/" known >changed
changed() {
	s ssh -o UserKnownHostsFile="$dir/changed" -o HostKeyAlgorithms=ssh-ed25519 sshd true 2>said
	[ $? = 255 ] && grep -q 'THE HOST KEY OF .* HAS CHANGED' said &&
		grep -q 'Host key verification failed' said || { cat said changed; return 1; }
}
check "a key that changed" changed
untrusted() {
	s ssh -o UserKnownHostsFile="$dir/changed" -o HostKeyAlgorithms=ssh-ed25519 -o StrictHostKeyChecking=no \
		"$@" -L 0:127.0.0.1:2204 -R 0:127.0.0.1:2204 -D 0 sshd echo in >o 2>said
}
check "a key that changed and is let pass: in, and nothing is forwarded" untrusted
check "it is said" grep -q 'Port forwarding is disabled' said
check "no port is had" refused grep -q 'Allocated port' said
check "who needs the forwards is not in" status 255 untrusted -o ExitOnForwardFailure=yes
check "a list of revoked keys that cannot be named lets nobody pass" status 255 \
	s ssh -o 'RevokedHostKeys=${NO_SUCH_VARIABLE}/list' sshd true
check "a list of revoked keys that does not exist, likewise" status 255 s ssh -o RevokedHostKeys="$dir/none" sshd true
check "no list of revoked keys" s ssh -o RevokedHostKeys=none sshd true
denied() { s ssh -o IdentityFile=none -i "$dir/rsa" -F none -o UserKnownHostsFile="$dir/known" -o BatchMode=yes -p 2201 127.0.0.1 true 2>said
	[ $? = 255 ] && grep -q 'Permission denied (publickey' said || { cat said; return 1; }; }
check "a key that is not let in" denied
cat host.pub rsa.pub >revoked
revoked() { status 255 s ssh -o RevokedHostKeys="$dir/$1" sshd true; }
check "a key that was revoked" revoked revoked
check "no list of revoked keys where there should be one" revoked none
first_word() { rm -f new; s ssh -o UserKnownHostsFile="$dir/new" -o "$1" sshd true && grep -q "^$2" new; }
check "HostKeyAlias" first_word HostKeyAlias=other 'other '
check "HashKnownHosts" first_word HashKnownHosts=yes '|1|'

# Other keys of a server's, once it has proved them; those it has no more.
ed=$(cut -d' ' -f1,2 host.pub) rsa=$(cut -d' ' -f1,2 rsa.pub) old=$(head -n 1 id.pub | cut -d' ' -f1,2)
updates() { # lines of known hosts before, keys there behind, options…
	local want=$2
	printf '%s\n' "$1" >updated
	shift 2
	s ssh -o UserKnownHostsFile="$dir/updated" -o HostKeyAlgorithms=ssh-ed25519,rsa-sha2-512 "$@" sshd true 2>said &&
		[ "$(awk '{ print $2, $3 }' updated | sort)" = "$(printf '%s\n' "$want" | sort)" ] || { cat updated said; return 1; }
}
mine='[127.0.0.1]:2201'
check "UpdateHostKeys yes: another key of the server's is learned" updates "$mine $ed" "$ed"$'\n'"$rsa" -o UpdateHostKeys=yes
check "the key of before is among them, once" [ "$(grep -c ed25519 updated)" = 1 ]
check "UpdateHostKeys yes: one it has no more goes" updates "$mine $ed"$'\n'"$mine $rsa"$'\n'"$mine $old" \
	"$ed"$'\n'"$rsa" -o UpdateHostKeys=yes
check "UpdateHostKeys yes: nothing where another name has such a key, too" updates "$mine $ed"$'\n'"$mine $old"$'\n'"alpha $old" \
	"$ed"$'\n'"$old"$'\n'"$old" -o UpdateHostKeys=yes
check "UpdateHostKeys yes: nothing of a server nobody vouched for" updates "alpha $old" "$ed"$'\n'"$old" -o UpdateHostKeys=yes
check "files of one's own: nothing is learned unless it is said" updates "$mine $ed" "$ed"
hidden() { echo "$mine $ed" >hidden; ssh-keygen -q -Hf hidden >/dev/null 2>&1; cat hidden; }
check "a host that is hidden stays hidden" updates "$(hidden)" "$ed"$'\n'"$rsa" \
	-o UpdateHostKeys=yes -o HashKnownHosts=yes
check "both lines are hidden" [ "$(grep -c '^|1|' updated)" = 2 ]
yes_or_no() { # answer
	printf '#!/bin/sh\necho "$1" >>%s/asked\necho %s\n' "$dir" "$1" >answers
	chmod +x answers
	rm -f asked
}
asked_about() { # answer, keys there behind
	yes_or_no "$1"
	SSH_ASKPASS=$dir/answers SSH_ASKPASS_REQUIRE=force updates "$mine $ed" "$2" -o UpdateHostKeys=ask -o BatchMode=no &&
		grep -q 'Accept updated hostkeys' asked && grep -q "New hostkey: ssh-rsa SHA256:" said
}
check "UpdateHostKeys ask: yes" asked_about yes "$ed"$'\n'"$rsa"
nobody_asked() { updates "$mine $ed" "$ed" -o UpdateHostKeys=ask -o BatchMode=no -o ControlPersist=yes -v && grep -q 'asks nobody' said; }
check "UpdateHostKeys ask: a master that goes on asks nobody" nobody_asked
check "UpdateHostKeys ask: no" asked_about no "$ed"

# What a command says is known.
cat >knows <<SH
#!/bin/sh
echo "\$@" >>$dir/knows.log
[ ! -e $dir/knows.fails ] || exit 3
echo "$mine $ed"
SH
chmod +x knows
known_by() { s ssh -o UserKnownHostsFile=none -o StrictHostKeyChecking=yes -o "KnownHostsCommand=$1" "${@:2}" sshd true; }
check "KnownHostsCommand: a key it says" known_by "$dir/knows %I %H %t %n '%f' %K"
check "it was asked for the order, and for the key" [ "$(cat knows.log)" = "ORDER $mine NONE sshd NONE NONE
HOSTNAME $mine ssh-ed25519 sshd $(ssh-keygen -lf host.pub | cut -d' ' -f2) ${ed#* }" ]
check "KnownHostsCommand: a token that does not exist" status 255 known_by "$dir/knows %Q"
check "KnownHostsCommand: no path" status 255 known_by "sh $dir/knows"
check "KnownHostsCommand: another key" status 255 known_by "/bin/echo $mine $old"
check "KnownHostsCommand none" status 255 known_by none
touch knows.fails
check "KnownHostsCommand: one that fails lets nobody pass" status 255 s ssh -o KnownHostsCommand="$dir/knows" sshd true

# --- which cipher comes first, by what the processor is quick at -------------------------------------------
quickest=chacha20-poly1305@openssh.com
case $(uname -m) in
x86_64) ! { grep -qw aes /proc/cpuinfo && grep -qw pclmulqdq /proc/cpuinfo; } || quickest=aes128-gcm@openssh.com ;;
aarch64) ! grep -qw aes /proc/cpuinfo || quickest=aes128-gcm@openssh.com ;;
esac
first_cipher() { "$sluice" ssh -G -F none x | sed -n 's/^ciphers \([^,]*\),.*/\1/p'; }
check "the cipher this processor is quickest at is wanted first" says $quickest first_cipher

# --- whole names of hosts, beside ssh -G ----------------------------------------------------------------
cat >hosts <<'HOSTS'
127.0.0.1 localhost
127.0.0.1 box.corp.example. box.corp.example
127.0.0.1 real.corp.example alias.lab.example. plain.lab.example
HOSTS
mount --bind hosts /etc/hosts # of this namespace alone
cat >canon.config <<'CONF'
CanonicalDomains none.example lab.example corp.example
CanonicalizePermittedCNAMEs *.lab.example:*.corp.example
Host box.corp.example
	Port 2301
Match canonical host real.*
	Port 2302
CONF
canon() { # host the port says, status, options and host
	local want=$1 status=$2 ours theirs
	shift 2
	ours=$("$sluice" ssh -G -F canon.config "$@" 2>err) || ours=$?
	theirs=$(ssh -G -F canon.config "$@" 2>/dev/null) || theirs=$?
	[ "$status" = 0 ] || { [ "$ours" = 255 ] && [ "$theirs" = 255 ]; return; }
	ours=$(grep -E '^(hostname|port) ' <<<"$ours" | sort) theirs=$(grep -E '^(hostname|port) ' <<<"$theirs" | sort)
	[ "$ours" = "$theirs" ] && [ "$(tr '\n' ' ' <<<"$ours")" = "hostname ${want% *} port ${want#* } " ] || { echo "$ours"; echo "$theirs"; cat err; return 1; }
}
yes='-o CanonicalizeHostname=yes'
check "a whole name: not looked for" canon 'box 22' 0 -o CanonicalizePermittedCNAMEs=none box
check "a whole name: the first domain that has it, and its block" canon 'box.corp.example 2301' 0 $yes box
check "a whole name: by Hostname" canon 'box.corp.example 2301' 0 $yes -o Hostname=box other
check "a whole name: with a dot at its end" canon 'box.corp.example 2301' 0 $yes box.corp.example.
check "a whole name: none, and it stays" canon 'nowhere 22' 0 $yes -o CanonicalizePermittedCNAMEs=none nowhere
check "a whole name: none, and it may not stay" canon '' 255 $yes -o CanonicalizeFallbackLocal=no nowhere
check "a whole name: too many dots" canon 'box.corp.example 2301' 0 $yes -o CanonicalizeFallbackLocal=no -o CanonicalizeMaxDots=1 box.corp.example
check "a whole name: an address is one" canon '127.0.0.1 22' 0 $yes -o CanonicalizeFallbackLocal=no 127.0.0.1
check "a whole name: another's that is permitted" canon 'real.corp.example 2302' 0 $yes alias
check "a whole name: without being searched for" canon 'real.corp.example 2302' 0 $yes -o CanonicalizeMaxDots=0 plain.lab.example
check "a whole name: another's that is not permitted" canon 'alias.lab.example 22' 0 $yes -o CanonicalizePermittedCNAMEs=none alias
check "a whole name: a proxy's to know" canon 'box 22' 0 $yes -o ProxyCommand=x box
check "a whole name: even so" canon 'box.corp.example 2301' 0 -o CanonicalizeHostname=always -o ProxyJump=x box
umount /etc/hosts
# A resolver that has no answer until a file is there: who needs none does not wait for it.
cat >held.py <<'PY'
import os, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.9', 53))
print('serving', flush=True)
while True:
    q, who = s.recvfrom(4096)
    open('asked.dns', 'ab').write(q)
    while not os.path.exists('answer.dns'): time.sleep(0.02)
    end = q.index(b'\0', 12) + 5
    a = q[end - 4:end] == b'\0\1\0\1'
    s.sendto(q[:2] + struct.pack('>HHHHH', 0x8180, 1, a, 0, 0) + q[12:end] +
             (b'\xc0\x0c\0\1\0\1' + struct.pack('>IH', 60, 4) + bytes([127, 0, 0, 1])) * a, who)
PY
echo 'hosts: files dns' >nss
printf 'nameserver 127.0.0.9\noptions timeout:30 attempts:1\n' >resolv
python3 held.py >held.log 2>&1 & pids+=($!)
wait_for serving held.log
grep -v Hostname config >held.config # of its own name
sed -i '1i Host sshd\n\tHostname 127.0.0.1\nHost held via\n\tCanonicalizeHostname yes\n\tCanonicalDomains dns.example\n\tPort 2201\nHost by\n\tHostname 127.0.0.1\n\tPort 2201\n\tProxyJump via' held.config
without_answer() { # hosts, what is there before the resolver has said a word
	rm -f asked.dns answer.dns held.out
	timeout 90 "$sluice" exec -F held.config "$1" 'echo hi' >held.out 2>held.err & local pid=$!
	for _ in $(seq 1500); do [ -s asked.dns ] && grep -q "$2" held.out && break; sleep 0.02; done
	echo "$(sort held.out | tr '\n' ' ')"
	touch answer.dns
	wait $pid && echo "$(sort held.out | tr '\n' ' ')" || cat held.err
}
tunnel_without_answer() { # who is up before it, and in the end
	rm -f asked.dns answer.dns held.out
	timeout 90 "$sluice" tunnel --json -F held.config -L 0:127.0.0.1:2204 held sshd >held.out 2>held.err & local pid=$!
	for _ in $(seq 1500); do [ -s asked.dns ] && grep -q '"up"' held.out && break; sleep 0.02; done
	grep -o '"up","host":"[a-z]*"' held.out
	touch answer.dns
	for _ in $(seq 1500); do grep -q '"up","host":"held"' held.out && break; sleep 0.02; done
	grep -o '"up","host":"[a-z]*"' held.out
	kill $pid
	wait $pid || cat held.err
}
event_of() { # the events of held's so far, once one is there
	for _ in $(seq 1500); do grep -q "\"$1\",\"host\":\"held\"" held.out && break; sleep 0.02; done
	grep -o '"event":"[a-z]*","host":"held"' held.out | cut -d'"' -f4 | tr '\n' ' '
}
tunnel_stopped() { # before it, and wanted after it
	rm -f asked.dns answer.dns held.out
	printf 'StatusSocket %s\nInclude %s\n' "$dir/held.status" "$dir/held.config" >held.tunnel
	timeout 90 "$sluice" tunnel --json -F held.tunnel -L 0:127.0.0.1:2204 held sshd >held.out 2>held.err & local pid=$!
	for _ in $(seq 1500); do [ -s asked.dns ] && [ -S held.status ] && break; sleep 0.02; done
	"$sluice" tunnel stop -F held.tunnel held || return
	touch answer.dns
	event_of over
	"$sluice" tunnel reconnect -F held.tunnel held || return
	event_of up
	kill $pid
	wait $pid || cat held.err
}
names_held() {
	mount --bind nss /etc/nsswitch.conf && mount --bind resolv /etc/resolv.conf || return 1
	local many tunnels stopped
	many=$(without_answer held,by,sshd sshd) tunnels=$(tunnel_without_answer) stopped=$(tunnel_stopped)
	umount /etc/nsswitch.conf /etc/resolv.conf
	[ "$many" = $'sshd: hi \nby: hi held: hi sshd: hi ' ] && [ "$(tr -d '\n' <<<"$tunnels" | sed 's/"up","host"//g')" = ':"sshd":"sshd":"held"' ] &&
		[ "$stopped" = 'down over down over attempt connected listening up ' ] ||
		{ echo "$many"; echo "$tunnels"; echo "$stopped"; return 1; }
}
check "a whole name that is waited for holds nobody else, and who waits for it can be stopped" names_held

# --- what is set ----------------------------------------------------------------------------------------
check "PubkeyAuthentication no" status 255 s ssh -o PubkeyAuthentication=no sshd true
check "PreferredAuthentications" status 255 s ssh -o PreferredAuthentications=password sshd true
check "BindAddress" says 127.0.0.5 s ssh -o BindAddress=127.0.0.5 sshd 'echo ${SSH_CLIENT%% *}'
agents() { # options of one who names another key
	timeout 60 ssh-agent bash -c 'ssh-add -q id && timeout 60 "$@"' - "$sluice" ssh -F none -i "$dir/rsa" \
		-o UserKnownHostsFile="$dir/known" -o BatchMode=yes -p 2201 "$@" 127.0.0.1 true
}
check "a key of an agent" agents
check "IdentitiesOnly" status 255 agents -o IdentitiesOnly=yes
local_command() { s ssh "$@" -o "LocalCommand=touch $dir/touched" sshd true && [ -e touched ]; }
check "LocalCommand where it is not permitted" refused local_command
check "LocalCommand where it is" local_command -o PermitLocalCommand=yes
masked() {
	"$sluice" forward --json -F config -o StreamLocalBindMask=0111 -L "$dir/m.sock:127.0.0.1:2204" sshd >masked.out & pids+=($!)
	wait_for listening masked.out
	[ "$(stat -c %a m.sock)" = 666 ]
}
check "StreamLocalBindMask" masked
check "a socket that is there stays" status 255 s forward -L "$dir/m.sock:127.0.0.1:2204" sshd
check "StdinNull" says 0 s ssh -o StdinNull=yes sshd 'wc -c'
python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 2299))
print("silent", flush=True)
time.sleep(600)' >silent.log 2>&1 & pids+=($!)
wait_for silent silent.log
check "ConnectTimeout: a server that says nothing" status 255 s ssh -o ConnectTimeout=1 -p 2299 sshd true

agreed() { # what the server's log says, options…
	s ssh "${@:2}" sshd true && tail -n 200 sshd.log | grep -q "$1"
}
check "KexAlgorithms" agreed 'kex: algorithm: ecdh-sha2-nistp384' -o KexAlgorithms=ecdh-sha2-nistp384
check "MACs" agreed 'cipher: aes192-ctr MAC: hmac-sha2-512-etm@openssh.com' -c aes192-ctr -o MACs=hmac-sha2-512-etm@openssh.com
check "PubkeyAcceptedAlgorithms" status 255 s ssh -o PubkeyAcceptedAlgorithms=rsa-sha2-512 sshd true
check "AddressFamily inet" s ssh -o AddressFamily=inet -o Hostname=localhost sshd true
check "AddressFamily inet6" status 255 s ssh -o AddressFamily=inet6 -o Hostname=localhost sshd true
check "BindInterface" s ssh -o BindInterface=lo sshd true
check "BindInterface: none such" status 255 s ssh -o BindInterface=none0 sshd true
attempts() { s ssh -o ConnectionAttempts=2 -p 1 sshd true 2>said; [ "$(grep -c 'Connection refused' said)" = 2 ]; }
check "ConnectionAttempts" attempts
level() { s ssh -o LogLevel="$1" -p 1 sshd true 2>said; }
level QUIET
check "LogLevel QUIET" refused test -s said
level DEBUG
check "LogLevel DEBUG" grep -q 'Connecting to 127.0.0.1 port 1' said
check "NoHostAuthenticationForLocalhost" s ssh -o NoHostAuthenticationForLocalhost=yes -o UserKnownHostsFile="$dir/changed" \
	-o HostKeyAlgorithms=ssh-ed25519 sshd true
question_by() { # FingerprintHash, what it is said by
	yes_or_no no
	SSH_ASKPASS=$dir/answers SSH_ASKPASS_REQUIRE=force s ssh -o FingerprintHash="$1" -o BatchMode=no -o StrictHostKeyChecking=ask \
		-o UserKnownHostsFile=/dev/null sshd true 2>said
	grep -q "key fingerprint is $2:" said
}
check "FingerprintHash md5" question_by md5 MD5
check "FingerprintHash sha256" question_by sha256 SHA256
s ssh -o VisualHostKey=yes sshd true 2>said
check "VisualHostKey" [ "$(cat said)" = "Host key fingerprint is $(ssh-keygen -lvf host.pub | sed '1s/^[^ ]* \([^ ]*\) .*/\1/')" ]
check "sluice keygen -lv draws it as well" [ "$("$sluice" keygen -lvf rsa.pub | tail -n +2)" = "$(ssh-keygen -lvf rsa.pub | tail -n +2)" ]
forks() {
	mkfifo fork && timeout 60 "$sluice" ssh -F config -o ForkAfterAuthentication=yes sshd "cat $dir/fork >$dir/forked" >/dev/null &&
		[ ! -s forked ] && echo gone >fork && wait_for gone forked
}
check "ForkAfterAuthentication" forks
gateway_ports() { # yes or no: is the forward there at another address?
	"$sluice" forward --json -F config -o GatewayPorts="$1" -L 0:127.0.0.1:2204 sshd >"gp.$1" & pids+=($!)
	wait_for listening "gp.$1"
	curl -sS --max-time 30 -o got "http://127.0.0.3:$(python3 read.py "gp.$1" 1)/data"
}
check "GatewayPorts yes" gateway_ports yes
check "GatewayPorts no" refused gateway_ports no
python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$dir/taken.sock"
unlinks() {
	"$sluice" forward --json -F config -o StreamLocalBindUnlink=yes -L "$dir/taken.sock:127.0.0.1:2204" sshd >taken.out & pids+=($!)
	wait_for listening taken.out
	get --unix-socket taken.sock http://x/data
}
check "StreamLocalBindUnlink" unlinks
socket_of() { # what, options…: what the kernel says of the connection's socket, in the end
	local what=$1
	shift
	timeout 60 "$sluice" ssh -F config "$@" -o BindAddress=127.0.0.77 -o ForkAfterAuthentication=yes sshd "cat $dir/hold" >/dev/null 2>&1
	for _ in $(seq 200); do
		ss -tnomOH --tos 'src 127.0.0.77 and dport = :2201' >socket
		grep -q "$what" socket && break
		sleep 0.1
	done
	timeout 60 bash -c 'echo >hold' # where there is nobody, nobody reads it
	cat socket
}
mkfifo hold
says_socket() { socket_of "$@" | grep -q "$1"; }
check "IPQoS" says_socket 'tos:0x48' -o IPQoS=af21
check "TCPKeepAlive yes" says_socket 'timer:(keepalive' -o TCPKeepAlive=yes
no_timer() { ! socket_of 'ESTAB *0 *0 ' "$@" | grep -q timer:; }
check "TCPKeepAlive no" no_timer -o TCPKeepAlive=no
silent() { # the server of this connection stands still
	s ssh -o ServerAliveInterval=1 -o ServerAliveCountMax=1 sshd "echo \$PPID \$\$ >$dir/stopped; kill -STOP \$PPID; exec sleep 600" 2>said
	[ $? = 255 ] && grep -q 'Timeout, server 127.0.0.1 not responding' said
	local r=$?
	kill -9 $(cat stopped)
	return $r
}
check "ServerAliveInterval, ServerAliveCountMax" silent
if [ -e asks.log ]; then
	one_prompt() { # prompts that there may be, user, options…
		rm -f asked
		SSH_ASKPASS=$dir/askpass SSH_ASKPASS_REQUIRE=force timeout 60 "$sluice" ssh -F none -o IdentityFile=none -o UserKnownHostsFile="$dir/known" \
			-p 2205 "${@:3}" "$2@127.0.0.1" x >o 2>said </dev/null
		[ $? = 255 ] && [ "$(cat asked 2>/dev/null | wc -l)" = "$1" ]
	}
	check "NumberOfPasswordPrompts" one_prompt 1 word -o NumberOfPasswordPrompts=1
	check "PasswordAuthentication" one_prompt 0 word -o PasswordAuthentication=no
	check "KbdInteractiveAuthentication" one_prompt 0 prompts -o KbdInteractiveAuthentication=no
fi

# --- keywords of the library's own, which the command obeys as well ---------------------------------
said() { # what, status, options…
	s ssh "${@:3}" sshd true 2>said
	[ $? = "$2" ] && grep -q "$1" said || { cat said; return 1; }
}
print_of() { ssh-keygen -lf "$1" | head -n 1 | cut -d' ' -f2; }
known_here=(-o UserKnownHostsFile=none -o StrictHostKeyChecking=yes -o HostKeyAlgorithms=ssh-ed25519)
check "AcceptHostKey: lines and files" s ssh "${known_here[@]}" -o "AcceptHostKey=$old" -o AcceptHostKey="$dir/host.pub" sshd true
check "AcceptHostKey: another key" status 255 s ssh "${known_here[@]}" -o AcceptHostKey="$dir/id.pub" sshd true
check "AcceptHostKeyFingerprint" s ssh "${known_here[@]}" -o AcceptHostKeyFingerprint="$(print_of id.pub),$(print_of host.pub)" sshd true
check "AcceptHostKeyFingerprint: another" status 255 s ssh "${known_here[@]}" -o AcceptHostKeyFingerprint="$(print_of id.pub)" sshd true
cp host.pub signed.pub
ssh-keygen -q -s rsa -I box -h -n 127.0.0.1 -V -1h:+1h signed.pub
$(command -v sshd || echo /usr/sbin/sshd) -D -p 2209 -f "$dir/sshd_config" -o HostCertificate="$dir/signed-cert.pub" -E "$dir/signed.log" & pids+=($!)
wait_for 'port 2209' signed.log
by_ca() { s ssh -o UserKnownHostsFile=none -o StrictHostKeyChecking=yes -o AcceptHostCA="$dir/$1" -p 2209 sshd true; }
check "AcceptHostCA" by_ca rsa.pub
check "AcceptHostCA: another" status 255 by_ca id.pub
cp changed any
check "AcceptAnyHostKey: it is said" said 'Warning: AcceptAnyHostKey' 0 -o UserKnownHostsFile="$dir/any" -o HostKeyAlgorithms=ssh-ed25519 \
	-o UpdateHostKeys=yes -o AcceptAnyHostKey=yes
check "nothing is learned of anybody" cmp any changed
check "RequiredRSASize" said 'Invalid key length' 255 -o HostKeyAlgorithms=rsa-sha2-512 -o RequiredRSASize=4096
short() { # ours; not even shown, so it is quick
	s ssh -F none -o UserKnownHostsFile="$dir/known" -o BatchMode=yes -o RequiredRSASize=4096 -o HostKeyAlgorithms=ssh-ed25519 \
		-i "$dir/rsa" -p 2201 127.0.0.1 true 2>said
	grep -q 'too short: RequiredRSASize' said
}
check "RequiredRSASize: a key of ours" short
check "VersionPattern" status 255 s ssh -o VersionPattern='SSH-2.0-Nobody*' sshd true
check "LogMaskSecrets, StrictKex, DHGroupExchangeBits, CryptoEngine" said 'LogMaskSecrets no: secrets are masked' 0 -o LogMaskSecrets=no \
	-o StrictKex=require -o KexAlgorithms=diffie-hellman-group-exchange-sha256 -o DHGroupExchangeBits=3072:4096:4096 -o CryptoEngine=openssl
many=(-o VersionString='SSH-2.0-Box_1 of ours' -o Compression=no -o CompressionAlgorithms=zlib@openssh.com -o ChannelWindow=1M
	-o ChannelMaxPacket=16K -o BindPort=45871)
check "BindPort, WaitForServerDisconnect" says '127.0.0.79 45871 2201' s ssh "${many[@]}" -o BindAddress=127.0.0.79 \
	-o WaitForServerDisconnect=yes -o WaitForChannelClose=yes -o Linger=20 sshd 'echo $SSH_CLIENT'
check "WaitForServerDisconnect: it is the server that closes" bash -c "ss -tanH state time-wait 'dst 127.0.0.79' | grep -q :2201"
left_over() { s ssh "$@" -o BindAddress=127.0.0.80 sshd true && [ -n "$(ss -tanH 'src 127.0.0.80 or dst 127.0.0.80')" ]; }
resets() { ! left_over -o Linger=no && [ -z "$(ss -tanH 'src 127.0.0.80 or dst 127.0.0.80')" ]; }
check "Linger no: nothing is left of a connection that is cut off" resets
check "Linger: of another one there is" left_over -o Linger=20
check "VersionString" grep -q 'remote software version Box_1' sshd.log
check "CompressionAlgorithms, before Compression" grep -q 'compression: zlib@openssh.com' sshd.log
check "ChannelWindow, ChannelMaxPacket" grep -q 'win 1048576 max 16384' sshd.log
check "TCPKeepAliveTime, ReceiveBuffer, SendBuffer" says_socket 'timer:(keepalive,14min.*rb262144,.*tb524288' -o TCPKeepAliveTime=899 \
	-o ReceiveBuffer=128K -o SendBuffer=256K
cat >set_to.py <<'PY'
# Of the process that started this one: what its socket to the server is set to.
import contextlib, ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
pid = os.pidfd_open(os.getppid())
for n in os.listdir('/proc/%d/fd' % os.getppid()):
    fd = libc.syscall(438, pid, int(n), 0) # pidfd_getfd(2)
    with contextlib.suppress(OSError), socket.socket(fileno=fd) as s:
        if s.getpeername() == ('127.0.0.1', 2201):
            print(*[s.getsockopt(socket.IPPROTO_TCP, o) for o in (socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_NODELAY)])
PY
set_to() { s ssh "$@" -o PermitLocalCommand=yes -o LocalCommand="exec python3 $dir/set_to.py" sshd true; }
check "TCPKeepAliveInterval, TCPKeepAliveCount, TCPNoDelay" says '5 3 0' set_to -o TCPKeepAliveInterval=5 -o TCPKeepAliveCount=3 -o TCPNoDelay=no
check "TCPNoDelay yes" says '5 3 1' set_to -o TCPKeepAliveInterval=5 -o TCPKeepAliveCount=3
check "ProxyHeader, ProxyAutoDetect" env ALL_PROXY=http://me:secret@127.0.0.1:2211 timeout 60 "$sluice" ssh -F config \
	-o ProxyAutoDetect=yes -o 'ProxyHeader=X-Box: one' -o 'ProxyHeader=X-More: two' sshd true
check "its lines are in the head" grep -q 'X-Box: one X-More: two' digest.log
rated() { # a tenth of a second's worth at once, and the rest by and by
	local from=$EPOCHREALTIME
	head -c 300000 data | s exec -o Proxy=socks5h://127.0.0.1:1 -o 'ProxyExceptions=a.example;127.*' -o TransferRate=1000000 sshd 'wc -c' >o &&
		[ "$(cat o)" = 300000 ] && [ $((${EPOCHREALTIME/./} - ${from/./})) -ge 190000 ]
}
check "TransferRate, ProxyExceptions" rated
check "ProxyExceptions: another host" status 255 s ssh -o Proxy=socks5h://127.0.0.1:1 -o ProxyExceptions=128.* sshd true
check "AuthMode: one, and no other" status 255 s ssh -o AuthMode=password sshd true
check "AuthMode, TryAllAuthMethods" s ssh -o AuthMode=password -o TryAllAuthMethods=yes sshd true
s ssh -o AuthMode=keyboard-interactive -o BatchMode=no -o KbdInteractiveDevices=otp,card sshd true 2>/dev/null
check "KbdInteractiveDevices" grep -q 'keyboard-interactive devs otp,card' sshd.log
check "AgentAuth require, and there is none" said 'AgentAuth require: there is no agent' 255 -o IdentityAgent=none -o AgentAuth=require
check "OperationTimeout: a server that says nothing" said 'OperationTimeout: the server did not let us in' 255 -o OperationTimeout=100ms -p 2299
python3 -c 'import contextlib, socket, time
s = socket.create_server(("127.0.0.1", 2298))
print("dripping", flush=True)
while True:
    with contextlib.suppress(OSError), s.accept()[0] as c:
        while True:
            c.sendall(b".")
            time.sleep(0.02)' >drips.log 2>&1 & pids+=($!)
wait_for dripping drips.log
check "AbsoluteTimeout: a server that says a little for ever" said 'OperationTimeout: the server did not let us in' 255 \
	-o OperationTimeout=100ms -o AbsoluteTimeout=yes -p 2298
if [ -e asks.log ]; then
	by_word() { # status, user, options…
		rm -f asked
		SSH_ASKPASS=$dir/askpass SSH_ASKPASS_REQUIRE=force timeout 60 "$sluice" ssh -F none -o IdentityFile=none -o UserKnownHostsFile="$dir/known" \
			-p 2205 "${@:3}" "$2@127.0.0.1" x >o 2>said </dev/null
		[ $? = "$1" ] || { cat said; tail -n 5 asks.log; return 1; }
	}
	check "PasswordFile, and nobody is asked" by_word 4 word -o BatchMode=yes -o PasswordFile="$dir/proxy.pass"
	check "RepeatAuthMethods: a method that is wanted twice" by_word 4 twice -o BatchMode=yes -o PasswordFile="$dir/proxy.pass" -o RepeatAuthMethods=yes
	check "RepeatAuthMethods no" by_word 255 twice -o BatchMode=yes -o PasswordFile="$dir/proxy.pass"
	check "PasswordFile: one that others may read" by_word 255 word -o PasswordFile="$dir/proxy.open"
	check "it is said" grep -q 'PasswordFile refused: bad ownership or modes for file' said
	check "PasswordCommand: one that fails" by_word 255 word -o PasswordCommand=/bin/false
	check "a password that is wrong is not asked for instead" by_word 255 word -o PasswordCommand="/bin/echo wrong"
	check "nobody was asked" refused test -e asked
	check "PasswordCommand, PasswordPromptPattern" by_word 4 prompts -o PasswordCommand="/bin/cat $dir/proxy.pass" -o 'PasswordPromptPattern=W[n-p]rd*'
	check "the other prompt is asked" [ "$(cat asked)" = '(prompts@127.0.0.1) Name: ' ]
fi
wrong_line() { printf 'Host x\nLinger never\n' >wrong.config; ! "$sluice" ssh -G -F wrong.config y 2>said && grep -q 'wrong.config line 2: Linger: not its value' said; }
check "a value that is wrong is said with its line, of another host's, too" wrong_line

absent() { s ssh -p 1 sshd true 2>said; [ $? = 255 ] && grep -q 'port 1: .*Connection refused' said; }
check "a server that is not there" absent
check "an option that does not exist" status 255 s ssh -o Foo=1 sshd true
usage() { "$sluice" "$@" 2>said | grep -q "^usage: sluice $1" && [ ! -s said ] && "$sluice" "$@" >/dev/null; }
for c in ssh exec forward scan; do check "sluice $c -h" usage $c -h; done
helped() { "$sluice" help 2>said | grep -q '^usage: sluice COMMAND' && [ ! -s said ] && "$sluice" help >/dev/null; }
check "sluice help" helped
check "sluice ssh --help" usage ssh --help

# --- how far a file has come, on a terminal ---------------------------------------------------------
shown() {
	python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' bash -c \
		"$sluice exec -F config sshd 'cat >/dev/null' <data" >said </dev/null && grep -q '100%' said
}
check "progress of a file on a terminal" shown

# --- one connection for many -------------------------------------------------------------------------
"$sluice" ssh -F config -M -S "$dir/ctl" -N sshd 2>master.log & pids+=($!)
master=$!
for _ in $(seq 1000); do [ -S ctl ] && break; sleep 0.02; done
m() { timeout 60 "$sluice" ssh -F config -S "$dir/ctl" "$@"; }
logins() { grep -c 'Accepted publickey' sshd.log; }
sorted() { "$@" 2>&1 | sort; }
check "a master's socket is its user's alone" [ "$(stat -c %a ctl)" = 600 ]
check "-O check" says "Master running (pid=$master)" sorted m -O check sshd
before=$(logins)
guest_apart() {
	m sshd 'echo out; echo err >&2; exit 7' >o 2>e </dev/null
	[ $? = 7 ] && [ "$(cat o)" = out ] && [ "$(cat e)" = err ]
}
check "a guest: output, errors and status apart" guest_apart
guest_through() { m sshd 'cat; exit 3' <data >back; [ $? = 3 ] && cmp data back; }
check "a guest: a file there and back" guest_through
check "a guest: a subsystem" says hi bash -c "echo hi | $sluice ssh -F config -S $dir/ctl -s sshd echo"
check "a guest: variables" says 'bar a b' env XFOO=bar timeout 60 "$sluice" ssh -F config -S "$dir/ctl" -o SendEnv='X*' \
	-o 'SetEnv=XBAR="a b"' sshd 'echo $XFOO $XBAR'
check "a guest: a program that a signal ends" status 255 m sshd 'kill -9 $$'
bytes() { XFOO=$'\xfe' m -o SendEnv='X*' sshd $'echo \xff $XFOO' >o 2>e; [ $? = 0 ] && [ "$(od -An -tx1 o)" = " ff 20 fe 0a" ]; }
check "a guest: a command and a variable that are not UTF-8" bytes
ask_for() { printf 'GET /host.pub HTTP/1.0\r\n\r\n' | "$@" >o 2>e && grep -q "^$(cat host.pub)" o; }
check "a guest: -W" ask_for m -W 127.0.0.1:2204 sshd
no_way() { status 255 m -W 127.0.0.1:1 sshd && grep -q 'open failed' "$dir/out" && grep -q 'stdio forwarding failed' "$dir/out"; }
check "a guest: -W to where nobody is" no_way
check "a guest: a subsystem that does not exist" status 255 m -s sshd none
check "none of them has logged on" [ "$(logins)" = "$before" ]
cat >guest.py <<'PY'
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 99, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
def until(what):
    global seen
    end = time.monotonic() + 40
    while what not in seen:
        if time.monotonic() > end or not select.select([fd], [], [], 40)[0]: sys.exit('no %r in %r' % (what, seen[-400:]))
        seen += os.read(fd, 4096)
    before, seen = seen[:seen.index(what)], seen[seen.index(what) + len(what):]
    return before
until(b'begin')
os.write(fd, b'one\r')
until(b'33 99 got one')
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 44, 88, 0, 0))
os.write(fd, b'\r~?')
until(b'Supported escape sequences')
os.write(fd, b'\r~C')
until(b'not available to multiplexed sessions')
end = time.monotonic() + 40
while True: # who tells of the size is another process than who moves the bytes
    os.write(fd, b'two\r')
    if until(b' got two').endswith(b'44 88'): break
    if time.monotonic() > end: sys.exit('the size stays')
    time.sleep(0.1)
os.write(fd, b'\r~.')
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(0 if code == 255 else 'status %d' % code)
PY
cat >there.sh <<'SH'
echo begin
while read -r line; do echo "$(stty size) got $line"; done
SH
check "a guest: a terminal, its size and that of later, escapes" timeout 90 python3 guest.py "$sluice" ssh -F config -S "$dir/ctl" -tt \
	sshd "bash $dir/there.sh"
cat >beggar.py <<'PY'
# A guest with one descriptor where three are wanted.
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
s.settimeout(40)
end = os.pipe()[1]
s.sendmsg([b'{"do":"session"}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [end]))])
sys.exit(0 if s.recv(1000) == b'{"error":"no descriptors"}' and s.recv(1000) == b'' else 'it is kept')
PY
check "a guest without all of its descriptors is sent away" python3 beggar.py ctl
check "the master is there" status 0 m -O check sshd
shared=$(m -O forward -L 0:127.0.0.1:2204 sshd)
check "-O forward: a port here" get "http://127.0.0.1:$shared/data"
shared=$(m -O forward -R 0:127.0.0.1:2204 sshd)
check "-O forward: a port there" get "http://127.0.0.1:$shared/data"
check "a guest's forward is its master's" m -L "$dir/shared.sock:127.0.0.1:2204" sshd true
check "it stays" get --unix-socket shared.sock http://x/data
check "-O forward: it is there already" m -O forward -L "$dir/shared.sock:127.0.0.1:2204" sshd
check "-O cancel" m -O cancel -L "$dir/shared.sock:127.0.0.1:2204" sshd
check "it is gone" refused test -e shared.sock
check "-O cancel: one there" m -O cancel -R 0:127.0.0.1:2204 sshd
check "it is gone there" refused get "http://127.0.0.1:$shared/data"
check "-O cancel: one that is not there" status 255 m -O cancel -L 1:127.0.0.1:2204 sshd
check "-O forward: one that cannot be" status 255 m -O forward -L "2201:127.0.0.1:1" sshd
check "-O nonsense" status 255 m -O nonsense sshd
check "-O without a path" status 255 s ssh -O check sshd
also() { s ssh -M -S "$dir/ctl" sshd true 2>said && grep -q 'already exists, disabling multiplexing' said; }
check "a second master at one path goes on by itself" also
check "-O stop" says 'Stop listening request sent.' sorted m -O stop sshd
wait $master
check "its socket is gone" refused test -e ctl
check "-O check: nobody" status 255 m -O check sshd
kept() { timeout 60 "$sluice" ssh -F config -o ControlMaster=auto -o ControlPath="$dir/p-%C" "$@"; }
before=$(logins)
check "ControlPersist: the first has its own program" says first kept -o ControlPersist=yes sshd 'echo first; echo err >&2'
check "ControlPersist: the next is a guest" says second kept sshd echo second
check "both by one login" [ "$(logins)" = $((before + 1)) ]
left() { for _ in $(seq 1000); do [ -z "$(compgen -G 'p-*')" ] && return; sleep 0.02; done; return 1; }
check "-O exit" says 'Exit request sent.' sorted kept -O exit sshd
check "it has left" left
check "ControlPersist: the first by -W" ask_for kept -o ControlPersist=yes -W 127.0.0.1:2204 sshd
check "its master goes on" status 0 kept -O exit sshd
check "it has left, too" left
check "ControlPersist: its status" status 9 kept -o ControlPersist=1 sshd exit 9
check "ControlPersist: it leaves when nobody came for so long" left
python3 - "$dir/theirs" <<'PY' &
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
os.setuid(65534)
s.listen(1)
time.sleep(600)
PY
pids+=($!)
for _ in $(seq 1000); do [ -S theirs ] && break; sleep 0.02; done
theirs() { status 255 s ssh -S "$dir/theirs" -O check sshd 2>said && grep -q 'Operation not permitted' said; }
check "somebody else's socket is not spoken to" theirs
python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(sys.argv[1]); s.listen(1)' "$dir/stale"
echo precious >file
kept_file() { s ssh -o ControlMaster=auto -S "$dir/file" sshd true; [ "$(cat file)" = precious ]; }
check "what is no socket stays, whoever calls it one" kept_file
check "one whose master has died is replaced" says new timeout 60 "$sluice" ssh -F config -o ControlMaster=auto -S "$dir/stale" sshd echo new
check "and goes with the new one" refused test -e stale

# --- a display, for programs at the server ------------------------------------------------------------
cat >display.py <<'PY'
# An X11 server of one cookie, as far as who may come in.
import os, socket, struct, sys
path, cookie = sys.argv[1], bytes.fromhex(sys.argv[2])
s = socket.socket(socket.AF_UNIX)
if os.path.exists(path): os.unlink(path)
s.bind(path)
s.listen(5)
print('serving', flush=True)
while True:
    c = s.accept()[0]
    head = c.recv(12, socket.MSG_WAITALL)
    if len(head) < 12: continue
    name, data = struct.unpack('<HH', head[6:10])
    rest = c.recv(((name + 3) & ~3) + data, socket.MSG_WAITALL)
    c.sendall(b'let in\n' if rest[-data:] == cookie else b'refused\n')
    c.close()
PY
cat >xclient.py <<'PY'
# A program of X11, as far as its first words: with the cookie that is given, or another one.
import socket, struct, sys
host, port = sys.argv[1].rsplit(':', 1)
data = bytes.fromhex(sys.argv[2])
c = socket.create_connection(('127.0.0.1', 6000 + int(port.split('.')[0])))
c.sendall(b'l\0' + struct.pack('<HHHH', 11, 0, 18, len(data)) + b'\0\0MIT-MAGIC-COOKIE-1\0\0' + data)
try: print(c.recv(100).decode().strip() or 'nothing')
except ConnectionResetError: print('nothing')
PY
# xauth with "generate", for which there has to be a display of the right kind.
cat >xauth.sh <<'SH'
#!/bin/sh
echo "$*" >>"$0.log"
case "$*" in
*generate*) [ ! -e "$0.none" ] && exec xauth -q -f "$2" add "$4" . "$(cat "$0.cookie")" ;;
*) exec xauth -q "$@" ;;
esac
SH
chmod +x xauth.sh
x11() { # wanted, what is run with $1 the display's cookie as it is known there, options…
	local want=$1 run=$2
	shift 2
	DISPLAY=:${screen}.0 XAUTHORITY=$dir/cookies says "$want" timeout 60 "$sluice" ssh -F config -o XAuthLocation="$dir/xauth.sh" "$@" sshd \
		"set -- \$(xauth -q list \$DISPLAY); $run"
}
if command -v xauth >/dev/null; then
	screen=$((100 + $$ % 50000)) cookie=$(openssl rand -hex 16) untrusted=$(openssl rand -hex 16)
	mkdir -p /tmp/.X11-unix
	mount -t tmpfs none /tmp/.X11-unix # of this namespace alone
	python3 display.py /tmp/.X11-unix/X$screen "$cookie" >display.log 2>&1 & pids+=($!)
	wait_for serving display.log
	xauth -q -f cookies add ":$screen" . "$cookie" 2>/dev/null
	echo "$untrusted" >xauth.sh.cookie
	come="python3 $dir/xclient.py \$DISPLAY"
	check "a display: who has the cookie of the server's is let in" x11 "let in" "$come \$3" -X
	check "a display: that cookie is not the display's" x11 no "[ \$3 = $cookie ] && echo yes || echo no" -Y
	shared=(-o ControlMaster=auto -o ControlPath="$dir/x-%C" -o ControlPersist=yes)
	check "a display: through a master that goes on" x11 "let in" "$come \$3" -X "${shared[@]}"
	check "a display: likewise, its next guest" x11 "let in" "$come \$3" -X "${shared[@]}"
	check "that master leaves" status 0 s ssh "${shared[@]}" -O exit sshd
	later=(-o ControlMaster=auto -o ControlPath="$dir/y-%C" -o ControlPersist=yes)
	check "a display: a master that was not asked for it" x11 '' 'echo $DISPLAY' "${later[@]}"
	check "a display: its next guest asks" x11 "let in" "$come \$3" -X "${later[@]}"
	check "that one leaves" status 0 s ssh "${later[@]}" -O exit sshd
	check "a display: another cookie is not let through" x11 nothing "$come $cookie" -X
	check "it is said" grep -q 'rejected because of wrong authentication' err
	check "no display where it is not asked for" x11 '' 'echo $DISPLAY' -x -o ForwardX11=yes
	check "a display: for who is not trusted the cookie is another" x11 refused "$come \$3" -X -o ForwardX11Trusted=no
	check "it is made for a time" grep -q 'generate .* untrusted timeout 1260' xauth.sh.log
	check "a display: too late" x11 nothing "sleep 1.1; $come \$3" -X -o ForwardX11Trusted=no -o ForwardX11Timeout=1
	touch xauth.sh.none
	check "a display that makes no such cookie" x11 '' 'echo $DISPLAY' -X -o ForwardX11Trusted=no
	check "a display: who is trusted needs none" x11 "let in" "$come \$3" -o ForwardX11=yes
fi

# --- a terminal --------------------------------------------------------------------------------------
cat >terminal.py <<'PY'
import fcntl, os, pty, select, signal, socket, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 99, 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
seen = before = b''
def until(what):
    global seen, before
    end = time.monotonic() + 40
    while what not in seen:
        if time.monotonic() > end or not select.select([fd], [], [], 40)[0]:
            sys.exit('no %r in %r' % (what, seen[-400:]))
        seen += os.read(fd, 4096)
    before, seen = seen[:seen.index(what)], seen[seen.index(what) + len(what):]
def write(text): os.write(fd, text)
until(b"The authenticity of host '[127.0.0.1]:2201 ([127.0.0.1]:2201)' can't be established.")
until(b'continue connecting (yes/no/[fingerprint])? ')
write(b'perhaps\n')
until(b"Please type 'yes', 'no' or the fingerprint: ")
write(b'yes\n')
until(b"Permanently added '[127.0.0.1]:2201' (")
until(b'begin')
write(b'one\r')
until(b'33 99 got one')
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 44, 88, 0, 0))
write(b'two\r')
until(b'44 88 got two')
write(b'\r~?')
until(b'Supported escape sequences')
write(b'\r~R')
write(b'over\r')
until(b'got over')
write(b'\r~~x\r')
until(b'got ~x')
write(b'\r~v')
until(b'[LogLevel 4]')
write(b'\r~V')
until(b'[LogLevel 3]')
write(b'\r~B')
write(b'\r~C')
until(b'ssh> ')
write(b'-L 0:127.0.0.1:2201\n')
until(b'Allocated port ')
until(b' for local forward')
port = int(before)
until(b'Forwarding port.')
relay = socket.create_connection(('127.0.0.1', port)).makefile('rwb', 0)
banner = relay.readline()
write(b'\r~#')
until(b'The following connections are open:')
until(b'127.0.0.1:2201 (')
write(b'\r~\x1a')
until(b'[suspend sluice]')
if not os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]): sys.exit('not stopped')
os.kill(pid, signal.SIGCONT)
write(b'three\r')
until(b'44 88 got three')
if sys.argv[1] == '&': # goes on for the connection that is forwarded, and leaves us
    write(b'\r~&')
    until(b'[backgrounded]')
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    relay.write(b'SSH-2.0-x\r\n')
    there = relay.read(200) # of the server's KEXINIT
    sys.exit(0 if code == 0 and banner.startswith(b'SSH-2.0-') and len(there) > 5 else 'status %d, %r' % (code, there))
write(b'\r~.')
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(0 if code == 255 else 'status %d' % code)
PY
at_terminal() { # the last escape
	rm -f asked
	python3 terminal.py "$1" "$sluice" ssh -F config -tt -o BatchMode=no -o StrictHostKeyChecking=ask \
		-o UserKnownHostsFile="$dir/asked" -o EnableEscapeCommandline=yes sshd "bash $dir/there.sh"
}
check "a terminal: the question, its size and that of later, escapes" at_terminal .
check "~B is a break for the server" grep -q 'request break' sshd.log
check "a terminal that is left alone, what is forwarded goes on" at_terminal '&'
echo "$((failures)) failed"
[ "$failures" = 0 ]
