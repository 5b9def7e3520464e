# Completion of sluicectl(8) for bash: commands, what there is to see, and what is there now.
_sluicectl_column() { # what, column: of those that are there
	sluicectl -n -t show "$1" 2>/dev/null | cut -f"$2" | grep -v '^-$'
}

_sluicectl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cmd= i words=
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket | --grace | --interval | --sort | --for | --messages | --pcapng) ((i++)) ;;
		-*) ;;
		*) cmd=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $prev in
	-s | --socket | --pcapng) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--sort) words='rate in out age user waits capped' ;;
	esac
	if [ -z "$words" ]; then
		case $cmd in
		'') words='show top disconnect close open rekey drain undrain shutdown reload trace schema --json --tsv --no-header --socket --help --version' ;;
		show)
			if [ $((COMP_CWORD - i)) = 1 ]; then
				words='info connections channels tunnels listeners users penalties limits ports lcores config errors counters'
			else
				case ${COMP_WORDS[i + 1]} in
				connections | channels | tunnels | listeners | users) words='user= address= conn=' ;;
				config) words=$(_sluicectl_column config 1) ;;
				esac
			fi
			;;
		disconnect) words="$(_sluicectl_column connections 1) all user= address=" ;;
		rekey) words="$(_sluicectl_column connections 1) --all user= address=" ;;
		open) words=$(_sluicectl_column connections 1) ;;
		close) words=$(_sluicectl_column channels 1) ;;
		shutdown) words='--grace' ;;
		reload) words='--dry-run' ;;
		trace) words="$(_sluicectl_column connections 1) --for --messages --pcapng" ;;
		top) words='--once --interval --sort' ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
}
complete -F _sluicectl sluicectl
