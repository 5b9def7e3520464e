#!/bin/bash
# The service units of an installed tree, as systemd itself reads them; what their programs tell a service manager.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
: "${SLUICE_BUILD:=$top/build}"
command -v systemd-analyze >/dev/null || { echo "no systemd-analyze here"; exit 77; }
root=$(mktemp -d "${TMPDIR:-/tmp}/sluice-units.XXXXXX")
trap 'rm -rf -- "$root"' EXIT

DESTDIR=$root meson install -C "$SLUICE_BUILD" --no-rebuild --quiet || exit 1
unit_dir=$(dirname "$(find "$root" -name sluice-control.service)")
prefix=${unit_dir#"$root"} prefix=${prefix%/lib/systemd/system}
# Programs are looked for where they will be: here they are below the folder.
sed -i "s|=$prefix/|=$root$prefix/|" "$unit_dir"/*.service
systemd-analyze verify --man=no "$unit_dir"/sluice-*.service 2>&1 | grep -F sluice && exit 1
if command -v systemd-sysusers >/dev/null; then
	mkdir -p "$root/etc"
	systemd-sysusers --root="$root" "$root$prefix/lib/sysusers.d/sluice.conf" >/dev/null 2>&1
	grep -q '^sluice:' "$root/etc/passwd" || { echo "no user was made"; exit 1; }
fi
if command -v systemd-tmpfiles >/dev/null; then
	systemd-tmpfiles --root="$root" --create "$root$prefix/lib/tmpfiles.d/sluice.conf" >/dev/null 2>&1
	[ "$(stat -c %a "$root/run/sluice" 2>&1)" = 750 ] || { echo "no folder for sockets was made"; exit 1; }
fi
"$root$prefix/sbin/sluice-control" -V || exit 1
# Users' programs are the helper's: a stop is its to say to them, and what a unit forbids would be forbidden to them.
grep -qx KillMode=process "$unit_dir/sluice-helper.service" || { echo "a stop of the helper ends programs by itself"; exit 1; }
grep -E '^(Protect|Restrict|Private|SystemCall|Capability|NoNew|Lock)' "$unit_dir/sluice-helper.service" && exit 1
/usr/bin/python3 "$top/tests/smoke/notify_peer.py" "$SLUICE_BUILD" "$unit_dir/sluice-dataplane.service"
