#!/bin/bash
# What is installed belongs to a package; every sample is accepted by all programs. With SLUICE_LONG the packages are
# built and installed into a Debian of nothing else, and their programs serve there.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
: "${SLUICE_BUILD:=$top/build}"
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice-package-test.XXXXXX")
root=$dir/root
trap 'umount "$root/proc" "$root/sys" 2>/dev/null; rm -rf --one-file-system -- "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

# --- every file has one package ---
DESTDIR=$dir/tree meson install -C "$SLUICE_BUILD" --no-rebuild --quiet || exit 1
prefix=$(dirname "$(dirname "$(find "$dir/tree" -name sluice-control -type f)")")
files=0
while read -r f; do
	n=0
	for list in "$top"/conf/debian/*.install; do
		while read -r where; do
			where=${where#usr/}
			where=${where/#lib\/systemd/lib/systemd}
			# shellcheck disable=SC2053 # some are patterns
			[[ $f == $where || $f == $where/* ]] && n=$((n + 1))
		done <"$list"
	done
	[ $n = 1 ] || fail "$f is in $n packages"
	files=$((files + 1))
done < <(cd "$prefix" && find . -type f | sed 's|^\./||')
for page in "$top"/docs/*.[1-8]; do
	[ -n "$(find "$prefix" -name "$(basename "$page")")" ] || fail "$page is not installed"
done
echo "$files files, each of one package"

# --- the samples ---
ssh-keygen -q -t ed25519 -N '' -f "$dir/key" || exit 1
samples=0
while read -r sample; do
	case $sample in */sluice.conf | */fail2ban-*) continue ;; esac # their own tests: scripts/keywords, auditlog
	grep -q '^HostKey' "$sample" || fail "$sample has no HostKey"
	sed -E "s|/etc/sluice/ssh_host_[a-z0-9]*_key|$dir/key|" "$sample" >"$dir/sample.conf"
	for p in control/sluice-control dataplane/sluice-dataplane control/sluice-signer control/sluice-helper; do
		"$SLUICE_BUILD/$p" -t -f "$dir/sample.conf" || fail "$p -t: $sample"
	done
	samples=$((samples + 1))
done < <(find "$prefix" -path '*/examples/*.conf')
[ $samples -ge 3 ] || fail "$samples samples"
echo "$samples samples, accepted"
[ -n "${SLUICE_LONG:-}" ] || exit 0

# --- the packages, where nothing else is ---
"$top/scripts/package" -o "$dir/deb" >"$dir/log" 2>&1 || { tail -30 "$dir/log"; fail "scripts/package"; }
lintian --fail-on error,warning "$dir"/deb/{sluice,sluice-client,libsluice0,libsluice-dev}_*.deb || fail lintian
[ "$(id -u)" = 0 ] || { echo "packages built; a Debian of its own needs root"; exit 0; }
debootstrap --variant=minbase bookworm "$root" >"$dir/log" 2>&1 || { tail "$dir/log"; fail debootstrap; }
mount -t proc proc "$root/proc" && mount -t sysfs -o ro sysfs "$root/sys" || fail mount
cp "$dir"/deb/*.deb "$root/root"
cp "$top/tests/smoke/notify_peer.py" "$root/root"
cp /etc/apt/sources.list "$root/etc/apt/" 2>/dev/null
cp -r /etc/apt/sources.list.d/. "$root/etc/apt/sources.list.d/" 2>/dev/null
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
cp /etc/resolv.conf "$root/etc/resolv.conf"
in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive HOME=/root "$@"; }
in_root apt-get -qq update >"$dir/log" 2>&1
in_root sh -c 'apt-get -qq -y --no-install-recommends install /root/sluice_*.deb /root/sluice-client_*.deb /root/libsluice0_*.deb systemd python3-minimal util-linux openssh-client' \
	>>"$dir/log" 2>&1 || { tail -30 "$dir/log"; fail "apt-get install"; }
in_root getent passwd sluice || fail "no user sluice"
[ -f "$root/etc/pam.d/sluice" ] || fail "no /etc/pam.d/sluice"
[ -d "$root/etc/sluice" ] || fail "no /etc/sluice"
in_root systemd-analyze verify --man=no /lib/systemd/system/sluice-{control,dataplane,helper,signer,tunnel}.service 2>&1 |
	grep -F sluice && fail "systemd-analyze verify"
in_root sluice keygen -t ed25519 -N '' -f /root/key || fail "sluice keygen"
mkdir -p "$root/b"
in_root ln -s /usr/sbin /b/control
in_root ln -s /usr/sbin /b/dataplane
in_root apt-get -qq -y install python3 >>"$dir/log" 2>&1 || fail "python3"
in_root python3 /root/notify_peer.py /b || fail "the programs of the package do not serve"
in_root apt-get -qq -y purge sluice sluice-client libsluice0 >>"$dir/log" 2>&1 || { tail "$dir/log"; fail purge; }
left=$(find "$root/usr" "$root/lib/systemd/system" "$root/etc" -name '*sluice*' -not -path '*/systemd/system/multi-user*' | grep -v -e /passwd -e /group)
[ -z "$left" ] || fail "purge leaves $left"
echo "installed, served and purged in a Debian of its own"
