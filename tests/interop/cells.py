"""Cells of the table "The command at servers" of docs/interop.md, where they stand: what was tried now, and the day.

    cells.py DOCUMENT CELLS COLUMN=VERSION…      CELLS: lines of column, row and "yes" or nothing, by tabulators
"""
import datetime
import sys

MARK, DAY = "## The command at servers", "tried on"


def main():
    path, cells, *versions = sys.argv[1:]
    versions = dict(v.partition("=")[::2] for v in versions)
    with open(path) as f:
        before, mark, rest = f.read().partition(MARK)
    lines = rest.split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    end = next(i for i in range(first, len(lines)) if not lines[i].startswith("|"))
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines[first:end]]
    columns = {c.split()[0]: i for i, c in enumerate(rows[0]) if c}
    by_name = {r[0]: r for r in rows[2:]}
    with open(cells) as f:
        tried = [line.rstrip("\n").split("\t") for line in f]
    for column, row, said in tried:
        by_name[row][columns[column]] = said
        by_name[DAY][columns[column]] = str(datetime.date.today())
        if versions.get(column):
            rows[0][columns[column]] = f"{column} {versions[column]}"
    lines[first:end] = ["| " + " | ".join(r) + " |" for r in rows]
    with open(path, "w") as f:
        f.write(before + mark + "\n".join(lines))


main()
