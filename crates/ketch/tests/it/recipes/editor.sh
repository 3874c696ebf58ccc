# What the extension for VS Code calls for data.
export DVCLIVE_OPEN=false DVC_NO_ANALYTICS=true
# The lists come from sets in DVC.
changes() {
  dvc data status "$@" --json | python3 -c '
import json, sys
def tidy(value):
    if isinstance(value, dict): return {key: tidy(value[key]) for key in sorted(value)}
    return sorted(value) if isinstance(value, list) else value
print(json.dumps(tidy(json.load(sys.stdin)), indent=1))'
}
dvc --version
dvc root
(cd data && dvc root)
changes --granular --unchanged
dvc remote list
dvc remote list --local
dvc remote list --project
dvc config core.remote
dvc config studio.token 2>/dev/null; echo "ends with $?"
dvc config studio.offline 2>/dev/null; echo "ends with $?"
printf 'edited\n' >data/a.csv
rm data/sub/c.csv model.bin
printf 'new\n' >data/new.csv
changes --granular --unchanged
changes --granular --unchanged --untracked-files
dvc checkout model.bin
dvc commit data.dvc -f
changes --granular --unchanged
dvc push data.dvc
dvc pull data/a.csv
dvc checkout data/a.csv -f
dvc add -q data/sub
dvc move -q model.bin m.bin
dvc remove m.bin.dvc
dvc remote add --project -d other ../other 2>/dev/null; echo "ends with $?"
dvc remote add -d --project another ../another
dvc remote modify --project another url ../renamed
dvc remote rename --project another last
dvc remote remove --project last
dvc remote remove --local last 2>/dev/null; echo "ends with $?"
mkdir nested && cd nested && dvc init --subdir -q; echo "ends with $?"; dvc root
changes --granular --unchanged
