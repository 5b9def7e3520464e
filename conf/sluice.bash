# Completion of sluice(1) for bash: commands, options, and hosts that files name.
_sluice_hosts() {
	local f
	for f in ~/.ssh/config /etc/ssh/ssh_config; do
		[ -r "$f" ] && sed -n 's/^[[:space:]]*[Hh]ost[[:space:]=]*//p' "$f" | tr ' \t' '\n\n' | grep -v '[*?!]'
	done
	for f in ~/.ssh/known_hosts /etc/ssh/ssh_known_hosts; do
		[ -r "$f" ] && sed -n 's/^\([^|@# ][^ ]*\) .*/\1/p' "$f" | tr ',' '\n' | sed 's/^\[\(.*\)\]:.*/\1/'
	done
}

_sluice() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cmd=${COMP_WORDS[1]} words=
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W 'exec forward keygen scan ssh tunnel -h -V' -- "$cur")
		return
	fi
	case $cmd:$prev in
	keygen:*) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	scan:-t) words='rsa ecdsa ed25519 ed448 dsa' ;;
	scan:-f | *:-[EFi]) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	*:-c) words=$(sluice ssh -Q cipher 2>/dev/null) ;;
	*:-m) words=$(sluice ssh -Q mac 2>/dev/null) ;;
	*:-Q) words=$(sluice ssh -Q help 2>/dev/null) ;;
	*:-o) mapfile -t COMPREPLY < <(compgen -S = -W "$(sluice ssh -G -F none x 2>/dev/null | cut -d' ' -f1)" -- "$cur")
		compopt -o nospace; return ;;
	*:-[bDeLlpRTW]) return ;;
	tunnel:tunnel) words="status channels follow reconnect stop cancel $(_sluice_hosts)" ;;
	*) case $cur in
		-*) [ "$cmd" = scan ] && words='-4 -6 -f -H --json -p -T -t -v' ||
			words='-4 -6 -A -a -B -b -C -c -D -E -e -F -f -G -g -i -J -L -l -m -N -n -o -p -Q -q -R -s -T -t -V -v -W' ;;
		*) words=$(_sluice_hosts) ;;
		esac ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _sluice sluice
