# tests/interop/cells.sh - the table "The command at servers" of docs/interop.md: checks that are cells of it, and its columns
# written again by who has --save. To be sourced behind soft.sh or lib.sh, whose check() it counts by.
cells=${LAB_DIR:-$dir}/cells

cell() { # column, rows with commas between, what, command…: a check, and what the cells are
	local column=$1 rows=$2 before=$failures said=yes row
	shift 2
	check "$@"
	[ "$failures" = "$before" ] || said=
	while read -r -d, row; do printf '%s\t%s\t%s\n' "$column" "$row" "$said" >>"$cells"; done <<<"$rows,"
}

cells_save() { # where the script stands, its options, COLUMN=VERSION…
	local top=$1 options=$2
	shift 2
	[[ " $options " != *" --save "* ]] || /usr/bin/python3 "$top/tests/interop/cells.py" "$top/docs/interop.md" "$cells" "$@"
}
