# tests/interop/sessions_root.sh - sessions below ChrootDirectory; a part of test_sessions.sh.
# Roots lie in a file system of this test's own, on /srv: nothing below /tmp is root's alone.
root_data() { # user: a root with a folder of his
	mkdir -p "/srv/$1/up"
	chown "$1" "/srv/$1/up"
}
root_shell() { # user: and a shell with its tools
	local root=/srv/$1 n
	root_data "$1"
	mkdir -p "$root"/{bin,dev,etc,proc,home/"$1"}
	: >"$root/dev/null"
	mount --bind /dev/null "$root/dev/null"
	grep "^$1:" /etc/passwd >"$root/etc/passwd"
	cp "$(command -v busybox)" "$root/bin/sh"
	for n in ls id sed readlink chroot; do ln "$root/bin/sh" "$root/bin/$n"; done
	mount --bind /proc "$root/proc"
	chown "$1" "$root/home/$1"
}
in_root() { in_ssh -S "$LAB_DIR/rooted" "$@"; }
root_tty() { in_root -tt "$caged" '[ -t 0 ] && [ -t 2 ] && ls -di /' </dev/null | grep -q "^ *$(stat -c %i /srv/caged) /"; }
root_open() { # no pipe of the shell's own is among them while it looks
	in_root "$caged" 'for f in /proc/$$/fd/*; do readlink $f; done' | sed 's/\[.*//'
}
root_kept() { # neither by another root, nor by another's in /proc
	! in_root "$caged" 'chroot . /bin/sh -c :' && ! in_root "$caged" 'ls /proc/1/root/ || ls /proc/1/cwd/'
}
root_batch() { # user
	lab_in client timeout $patience sftp -q -b "$LAB_DIR/batch" -P "$LAB_PORT" "${opts[@]:0:${#opts[@]}-2}" "$1@$LAB_GW_OUTSIDE" >"$LAB_DIR/sftp.log" 2>&1 ||
		{ cat "$LAB_DIR/sftp.log"; return 1; }
}
root_moved() { # user
	printf 'cd /up\nput %s file\nget file %s\nls -1 /\n' "$LAB_DIR/known_hosts" "$LAB_DIR/down" >"$LAB_DIR/batch"
	rm -f "$LAB_DIR/down"
	root_batch "$1" && cmp -s "$LAB_DIR/known_hosts" "$LAB_DIR/down" && cmp -s "$LAB_DIR/known_hosts" "/srv/$1/up/file" && grep -qx '/up' "$LAB_DIR/sftp.log" && ! grep -q outside "$LAB_DIR/sftp.log" ||
		{ cat "$LAB_DIR/sftp.log"; return 1; }
}
root_seen() { # user, root: what its sftp-server is while it runs, asked for by a line of the client's
	local id=/proc/\$pid n
	n=$(id -u "$1")
	cat >"$LAB_DIR/see" <<-SEE
		pid=\$(pgrep -n -u $1 sftp-server) || exit
		grep -E '^(Uid|Gid|Groups|CapPrm|CapEff|CapAmb):' $id/status
		ls -l $id/fd | grep -c -- '->'
		stat -Lc %i $id/root
		tr '\0' '\n' <$id/environ | grep -cE '^(COLOUR|LC_|USER)'
	SEE
	printf '!sh %s >%s\n' "$LAB_DIR/see" "$LAB_DIR/seen" >"$LAB_DIR/batch"
	root_batch "$1" && is "Uid: $n $n $n $n
Gid: $n $n $n $n
Groups: $n
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapAmb: 0000000000000000
3
$(stat -c %i "$2")
0" sed 's/[[:space:]]\+/ /g; s/ $//' "$LAB_DIR/seen"
}
root_listed() { # where it is told to begin, with the mode it is told, and the name that the host has for its user
	printf 'put %s listed\nls -ln listed\npwd\n' "$LAB_DIR/known_hosts" >"$LAB_DIR/batch"
	root_batch filed && grep -Eq "^-rw-r----- +. 64981 +64981 +$(stat -c %s "$LAB_DIR/known_hosts") .* listed" "$LAB_DIR/sftp.log" &&
		grep -qx 'Remote working directory: /up' "$LAB_DIR/sftp.log" && rm /srv/filed/up/listed
}
root_as_it_was() { is "$rest" find /srv/filed ! -path '/srv/filed/up/*' -printf '%p %M %u\n'; }
root_deaf() { # by a server that does not come to the library it is given: nothing of the client's is read
	local there=(nsenter -m -t "$lab_helper_pid") rc
	printf '#!/bin/sh\nexec cat\n' >"$LAB_DIR/cat" && chmod 755 "$LAB_DIR/cat"
	"${there[@]}" mount --bind "$LAB_DIR/cat" /usr/lib/openssh/sftp-server || return
	is "" in_ssh -s "filed@$LAB_GW_OUTSIDE" sftp < <(echo hello)
	rc=$?
	"${there[@]}" umount -l /usr/lib/openssh/sftp-server
	return $rc
}
root_refused() { # why, as the client and the log have it
	: >"$LAB_DIR/ssh.log"
	status 1 in_root "$caged" 'echo in' && grep -qF "$1" "$LAB_DIR/ssh.log" && grep -qF "no session of caged from $LAB_CLIENT_ADDR: $1" "$LAB_DIR/helper.log"
}
check_roots() {
	local caged=caged@$LAB_GW_OUTSIDE filed=filed@$LAB_GW_OUTSIDE rest
	rest=$(find /srv/filed -printf '%p %M %u\n')
	in_ssh -M -S "$LAB_DIR/rooted" -f -N "$caged"
	check "a root of its own, by %u, with the home in it" is "/home/caged bin dev etc home proc up" in_root "$caged" 'echo $(pwd) $(ls /)'
	check "by %h" is "/ homed" in_ssh "homed@$LAB_GW_OUTSIDE" 'echo $(readlink /proc/$$/cwd) $(id -un)'
	check "a shell there" is "-sh caged" in_root "$caged" < <(echo 'echo $0 $(id -un)')
	check "and in a terminal" root_tty
	check "nothing of outside is open" is $'pipe:\npipe:\npipe:' root_open
	check "nothing of it is above" is "$(stat -c %i /srv/caged)" in_root "$caged" 'cd ../../../../..; set -- $(ls -di .); echo $1'
	check "and there is no way out" root_kept
	check "sftp" root_moved caged
	# What most roots are for: files alone, for an account whose shell runs nothing, in a root without any, or anything but data.
	check "sftp where it is forced, without a shell" root_moved filed
	check "where and how it is told" root_listed
	check "by a server that is its user's, in there" root_seen filed /srv/filed
	check "and of which nothing lies there" root_as_it_was
	check "one that does not go in hears nothing" root_deaf
	check "and nothing else" status 254 in_ssh "$filed" id
	check "which is said" grep -q 'This service allows sftp connections only' "$LAB_DIR/ssh.log"
	chmod 775 /srv/caged
	check "a root that a group may write" root_refused 'bad ownership or modes for chroot directory "/srv/caged"'
	chmod 757 /srv/caged
	check "or others" root_refused 'bad ownership or modes for chroot directory "/srv/caged"'
	chmod 755 /srv/caged
	chown caged /srv/caged
	check "or that is its user's" root_refused 'bad ownership or modes for chroot directory "/srv/caged"'
	chown root /srv/caged
	chmod 777 /srv
	check "or what it lies in" root_refused 'bad ownership or modes for chroot directory component "/srv"'
	chmod 755 /srv
	mv /srv/caged /srv/away
	check "one that is not there" root_refused '/srv/caged: No such file or directory'
	: >/srv/caged
	check "or no folder" root_refused 'chroot path "/srv/caged" is not a directory'
	rm /srv/caged
	mv /srv/away /srv/caged
	in_root -O exit "$caged"
}

root_shell caged
root_shell homed
root_data filed
echo outside >/srv/outside
