# scripts/lab.sh - a small network of namespaces around one gateway; to be sourced.
#
#   client namespace  198.18.0.1/24 -- outside --  198.18.0.2  gateway  198.19.0.2
#                                                  -- inside -- 198.19.0.1/24  target namespace
#
# Both links are veth pairs that are made inside the namespaces, so nothing of the
# host's own namespace is touched. The gateway's ends carry no kernel address: the dataplane
# owns them through net_af_packet. A caller sets LAB (prefix of the namespaces' names) and LAB_DIR
# (a folder of its own) and calls lab_down when it ends.
# Every process started here is ended here, by its pid.

LAB_CLIENT_ADDR=198.18.0.1
LAB_GW_OUTSIDE=198.18.0.2
LAB_GW_INSIDE=198.19.0.2
LAB_TARGET_ADDR=198.19.0.1
LAB_USER=demo
: "${LAB_PORT:=22}"

lab_pids=()

lab_die() { echo "$*" >&2; return 1; }

lab_in() { # client|gw|target command…: runs it in that namespace
	local ns=$LAB-$1
	shift
	ip netns exec "$ns" "$@"
}

# One end for the dataplane: no kernel addresses, no kernel answers, whole frames with whole
# checksums (a veth end otherwise hands over super-frames and unfinished checksums).
lab_raw_end() { # interface in the gateway's namespace
	ip netns exec "$LAB-gw" sh -c "
		echo 1 >/proc/sys/net/ipv6/conf/$1/disable_ipv6 2>/dev/null
		ip link set $1 arp off up"
	ip netns exec "$LAB-gw" ethtool -K "$1" tx off tso off gso off gro off >/dev/null
}

lab_host_end() { # namespace, interface, address
	ip netns exec "$LAB-$1" ip link set lo up
	ip netns exec "$LAB-$1" ip addr add "$3/24" dev "$2"
	ip netns exec "$LAB-$1" ip link set "$2" up
	ip netns exec "$LAB-$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null
}

lab_up() {
	local ns
	for ns in client gw target; do
		ip netns add "$LAB-$ns" || return 1
	done
	ip -n "$LAB-gw" link set lo up
	ip -n "$LAB-gw" link add outside type veth peer name eth0 netns "$LAB-client" || return 1
	ip -n "$LAB-gw" link add inside type veth peer name eth0 netns "$LAB-target" || return 1
	lab_raw_end outside
	lab_raw_end inside
	lab_host_end client eth0 $LAB_CLIENT_ADDR
	lab_host_end target eth0 $LAB_TARGET_ADDR
}

# Starts a command in a namespace with its output in a file; its pid is in lab_pid.
lab_spawn() { # namespace, log file, command…
	local ns=$1 log=$2
	shift 2
	ip netns exec "$LAB-$ns" "$@" >>"$log" 2>&1 &
	lab_pid=$!
	lab_pids+=("$lab_pid")
}

# Waits until a line stands in a log; fails when the process is gone or time is over.
lab_wait_log() { # pid, log file, pattern, seconds
	local n=$(($4 * 20))
	until grep -qE -- "$3" "$2" 2>/dev/null; do
		kill -0 "$1" 2>/dev/null || { tail -20 "$2" >&2; lab_die "process ended before it said /$3/"; return 1; }
		[ $((n -= 1)) -gt 0 ] || { tail -20 "$2" >&2; lab_die "no /$3/ within $4 s"; return 1; }
		sleep 0.05
	done
}

lab_stop_pid() { # pid: SIGTERM, then SIGKILL after 30 s
	local n=600
	kill -TERM "$1" 2>/dev/null || { wait "$1" 2>/dev/null; return; }
	while kill -0 "$1" 2>/dev/null && [ $((n -= 1)) -gt 0 ]; do sleep 0.05; done
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# The gateway becomes user sluice where there is one: what it reads and writes later must be its.
lab_own() { # path…
	! getent passwd sluice >/dev/null || chown sluice: "$@"
}

# Keys, users and the configuration file of a gateway with one user.
lab_configure() {
	mkdir -p "$LAB_DIR/run" "$LAB_DIR/authorized_keys"
	lab_own "$LAB_DIR/run"
	[ -f "$LAB_DIR/host_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C gateway -f "$LAB_DIR/host_ed25519"
	[ -f "$LAB_DIR/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C $LAB_USER -f "$LAB_DIR/id_ed25519"
	cp "$LAB_DIR/id_ed25519.pub" "$LAB_DIR/authorized_keys/$LAB_USER"
	chmod 600 "$LAB_DIR/authorized_keys/$LAB_USER"
	lab_own "$LAB_DIR/authorized_keys/$LAB_USER"
	printf '[%s]:%s %s\n%s %s\n' $LAB_GW_OUTSIDE "$LAB_PORT" "$(cut -d' ' -f1,2 "$LAB_DIR/host_ed25519.pub")" \
		$LAB_GW_OUTSIDE "$(cut -d' ' -f1,2 "$LAB_DIR/host_ed25519.pub")" >"$LAB_DIR/known_hosts"
	cat >"$LAB_DIR/sluice.conf" <<-CONF
		# The gateway of this lab; see sluice.conf(5).
		Dataplane lab
		Lcores ${LAB_LCORE:-0}
		Memory ${LAB_MEMORY:-512M}
		Interface outside ${LAB_OUTSIDE:-net_af_packet0,iface=outside,framesz=2048,framecnt=1024,blocksz=65536}
		Interface inside net_af_packet1,iface=inside,framesz=2048,framecnt=1024,blocksz=65536
		InterfaceAddress outside $LAB_GW_OUTSIDE/24
		InterfaceAddress inside $LAB_GW_INSIDE/24
		ListenAddress $LAB_GW_OUTSIDE:$LAB_PORT
		HostKey $LAB_DIR/host_ed25519
		AuthorizedKeysFile $LAB_DIR/authorized_keys/%u
	CONF
	# One client plays all of them: only who is about penalties wants them.
	[[ "${LAB_CONF:-}" == *PerSourcePenalties* ]] ||
		echo "PerSourcePenalties no" >>"$LAB_DIR/sluice.conf"
	[ -z "${LAB_CONF:-}" ] || printf '%s\n' "$LAB_CONF" >>"$LAB_DIR/sluice.conf"
}

lab_gateway_stop() { # all of it
	local pid
	for pid in ${lab_control_pid:-} ${lab_dataplane_pid:-} ${lab_signer_pid:-} ${lab_helper_pid:-}; do
		lab_stop_pid "$pid"
	done
	lab_control_pid='' lab_dataplane_pid='' lab_signer_pid='' lab_helper_pid=''
}

lab_gateway_start() { # folder with the built programs; $LAB_WRAP starts each, if set
	lab_spawn gw "$LAB_DIR/dataplane.log" env SLUICE_RUN="$LAB_DIR/run" \
		${LAB_WRAP:-} "$1/dataplane/sluice-dataplane" -f "$LAB_DIR/sluice.conf"
	lab_dataplane_pid=$lab_pid
	lab_spawn gw "$LAB_DIR/helper.log" env SLUICE_RUN="$LAB_DIR/run" \
		${LAB_WRAP:-} "$1/control/sluice-helper" -f "$LAB_DIR/sluice.conf"
	lab_helper_pid=$lab_pid
	lab_spawn gw "$LAB_DIR/signer.log" env SLUICE_RUN="$LAB_DIR/run" \
		${LAB_WRAP:-} "$1/control/sluice-signer" -f "$LAB_DIR/sluice.conf"
	lab_signer_pid=$lab_pid
	lab_wait_log "$lab_signer_pid" "$LAB_DIR/signer.log" "host keys, on" 30 || return 1
	lab_spawn gw "$LAB_DIR/control.log" env SLUICE_RUN="$LAB_DIR/run" \
		${LAB_WRAP:-} "$1/control/sluice-control" -f "$LAB_DIR/sluice.conf"
	lab_control_pid=$lab_pid
	lab_wait_log "$lab_control_pid" "$LAB_DIR/control.log" "Server listening on $LAB_GW_OUTSIDE port $LAB_PORT" 30
}

# A real file server: files of $LAB_DIR/www are fetched, PUT below /up/ stores.
lab_fileserver_start() {
	mkdir -p "$LAB_DIR/www/up" "$LAB_DIR/nginx"
	cat >"$LAB_DIR/nginx.conf" <<-CONF
		daemon off;
		user root;
		worker_processes 1;
		pid $LAB_DIR/nginx/pid;
		error_log $LAB_DIR/nginx/error.log;
		events { worker_connections 1024; }
		http {
			access_log off;
			sendfile on;
			client_max_body_size 0;
			send_timeout 600s; # tests stop what it sends to for a minute and more
			client_body_temp_path $LAB_DIR/nginx/body;
			proxy_temp_path $LAB_DIR/nginx/proxy;
			fastcgi_temp_path $LAB_DIR/nginx/fastcgi;
			uwsgi_temp_path $LAB_DIR/nginx/uwsgi;
			scgi_temp_path $LAB_DIR/nginx/scgi;
			server {
				listen $LAB_TARGET_ADDR:8080;
				root $LAB_DIR/www;
				location /up/ { dav_methods PUT DELETE; }
			}
		}
	CONF
	lab_spawn target "$LAB_DIR/nginx.log" /usr/sbin/nginx -c "$LAB_DIR/nginx.conf" -e "$LAB_DIR/nginx/error.log"
	lab_fileserver_pid=$lab_pid
	local n=100
	until [ -s "$LAB_DIR/nginx/pid" ]; do
		[ $((n -= 1)) -gt 0 ] || { cat "$LAB_DIR/nginx.log" "$LAB_DIR/nginx/error.log" >&2; lab_die "file server did not start"; return 1; }
		sleep 0.05
	done
}

# Options of a stock ssh that knows this gateway and nothing else of the machine.
lab_ssh_opts() {
	printf '%s\n' -F none -i "$LAB_DIR/id_ed25519" -o IdentitiesOnly=yes -o IdentityAgent=none \
		-o UserKnownHostsFile="$LAB_DIR/known_hosts" -o GlobalKnownHostsFile=/dev/null \
		-o StrictHostKeyChecking=yes -o BatchMode=yes -p "$LAB_PORT"
}

# A random file, quickly: a cipher's key stream.
lab_random_file() { # path, bytes
	openssl enc -aes-128-ctr -pass "pass:$RANDOM$RANDOM$$" -pbkdf2 -nosalt </dev/zero 2>/dev/null |
		head -c "$2" >"$1"
}

# Runs ssh -N -L in the client's namespace until it listens; its pid is in lab_pid.
lab_forward() { # local port, target host:port, further ssh options…
	local port=$1 to=$2 opts
	shift 2
	mapfile -t opts < <(lab_ssh_opts)
	lab_spawn client "$LAB_DIR/ssh.log" ssh "${opts[@]}" -v -N -o ExitOnForwardFailure=yes "$@" \
		-L "127.0.0.1:$port:$to" "$LAB_USER@$LAB_GW_OUTSIDE"
	lab_wait_log "$lab_pid" "$LAB_DIR/ssh.log" 'Entering interactive session|pledge: ' 30
}

lab_down() {
	local i ns
	for ((i = ${#lab_pids[@]} - 1; i >= 0; i--)); do lab_stop_pid "${lab_pids[i]}"; done
	lab_pids=()
	for ns in client gw target; do
		ip netns del "$LAB-$ns" 2>/dev/null
	done
	[ -z "${LAB_DIR:-}" ] || rm -rf -- "$LAB_DIR"
	return 0
}
