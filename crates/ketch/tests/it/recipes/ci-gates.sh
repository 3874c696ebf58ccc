# How builds ask whether something has changed.
output=$(dvc status)
[[ $output == "Data and pipelines are up to date." ]] && echo 'as in the lock'
dvc status -q && echo quiet
dvc status --no-updates --json >status.json; cat status.json; echo
dvc status | grep -q changed || echo 'no word of it'
if dvc status -c | grep -q 'in sync'; then echo 'in sync'; fi
dvc status --cloud &>/dev/null && echo 'reached it'
dvc status -r st
dvc status --remote st --json; echo
dvc status -c -r nope 2>/dev/null; echo "ends with $?"
printf 'edited\n' >data/a.csv
printf 'new\n' >data/new.csv
dvc status -q; echo "ends with $?"
dvc status --no-updates --json | python3 -m json.tool
dvc status | grep -q changed && echo changed
dvc status model.bin.dvc
dvc status data.dvc model.bin.dvc --json; echo
[[ -n $(dvc data status --json) ]] && dvc data status --json | python3 -m json.tool --sort-keys
git diff --quiet data.dvc || echo 'Git sees it'
rm -r .dvc/cache
dvc status -c | sort
dvc data status --json | python3 -c 'import json, sys; print(sorted(json.load(sys.stdin)))'
