#!/bin/bash
# A log that nobody reads stops nobody: control, sluice-signer and sluice-helper begin with a pipe for stderr
# that is full, hosts sign, programs of the operator's are run and users log in; and once somebody reads it,
# what all three said is there.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
: "${SLUICE_BUILD:=$top/build}"
for tool in ssh ssh-keygen python3 mkfifo; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
. tests/interop/soft.sh
unset SLUICE_KEYS_IN_CONTROL
cd "$dir" || exit 1
mkdir run
id sluice >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && chown sluice: run
export SLUICE_RUN=$dir/run
ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -q -t ed25519 -N '' -f id
cat >sluice.conf <<CONF
ListenAddress 127.0.0.1:22
HostKey $dir/host
AuthorizedKeysFile none
AuthorizedKeysCommand /bin/cat $dir/id.pub
AuthorizedKeysCommandUser $(id -un)
PerSourcePenalties no
LogLevel VERBOSE
CONF

# --- a pipe without room for one byte
mkfifo log
exec 9<>log
python3 - <<'PY'
import os
fd = os.open("log", os.O_WRONLY | os.O_NONBLOCK)
for size in (4096, 1):
    try:
        while True:
            os.write(fd, b"\n" * size)
    except BlockingIOError:
        pass
PY
for p in signer helper control; do
	"$SLUICE_BUILD/control/sluice-$p" -f sluice.conf >/dev/null 2>log 9<&- & pids+=($!)
	declare $p=$!
done
[ "$(id -u)" != 0 ] || ! id sluice >/dev/null 2>&1 || as=(setpriv --reuid sluice --regid sluice --clear-groups)
cp "$SLUICE_BUILD/tests/util/softplane" plane
"${as[@]}" ./plane run >plane.log 2>&1 9<&- & pids+=($!)
port=$(port_of plane.log)

login() {
	timeout 10 ssh -F none -N -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=known \
		-o IdentitiesOnly=yes -i id -p "$port" -o ExitOnForwardFailure=no "$(id -un)@127.0.0.1" -v \
		-o PermitLocalCommand=yes -o LocalCommand='kill $PPID' 2>&1 | grep 'Authenticated to'
}
up() { for _ in $(seq 400); do login >/dev/null && return; sleep 0.05; done; return 1; }
check "a login by a program's key, with nobody to read three logs" up
kill -HUP "$helper"
for i in 1 2 3 4; do check "login $i" login; done
check "all three live" kill -0 "$signer" "$helper" "$control"

# --- somebody reads again
cat <&9 >all.log & pids+=($!)
wait_for 'sluice-signer has 1 host keys' all.log
wait_for 'sluice-helper listens on' all.log
wait_for 'Accepted publickey for' all.log
wait_for 'the configuration was read again' all.log
lost() { grep -q 'lines of this log were lost' all.log; }
check "nothing was lost" refused lost
# What they say next is not held back.
before=$(grep -c 'Received signal' all.log)
check "no end yet" [ "$before" = 0 ]
kill "$signer" "$control"
wait "$signer" "$control"
ends() { for _ in $(seq 1000); do [ "$(grep -c 'Received signal' all.log)" = 2 ] && return; sleep 0.02; done; return 1; }
check "last words" ends
[ $failures = 0 ] || exit 1
echo "logs: all good"
