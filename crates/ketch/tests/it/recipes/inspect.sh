# What scripts read off.
dvc version | head -n 1 | cut -d ' ' -f 1-3
dvc doctor | head -n 1 | cut -d ' ' -f 1-3
dvc version | grep 'DVC version' | cut -d ' ' -f 3
dvc version | grep -A 1 Platform | wc -l
dvc --version
dvc root
(cd data/sub && dvc root)
(cd / && dvc root >/dev/null 2>&1; echo "ends with $?")
dvc list . | sort
dvc ls . data --dvc-only -R | grep -E '\.csv$'
dvc list . --dvc-only
dvc list . -R --rev v1 | sort
dvc list . --json | python3 -c 'import json, sys; print([one["path"] for one in json.load(sys.stdin)])'
dvc list . nothing 2>/dev/null; echo "ends with $?"
dvc list "file://$PWD" --dvc-only
dvc list . -T --dvc-only
dvc diff v1 v2
dvc diff --json --show-hash v1 v2 | python3 -c 'import json, sys; print(json.dumps({k: sorted(v, key=str) for k, v in json.load(sys.stdin).items()}, indent=1))'
dvc diff --targets data -- v1 2>/dev/null; echo "ends with $?"
dvc diff v1 --targets data model.bin
dvc diff model.bin.dvc 2>/dev/null; echo "ends with $?"
dvc diff HEAD~1 --hide-missing --show-hash
dvc get . data/sub/c.csv -o got.csv -q; echo "ends with $?"; cat got.csv
dvc get . data/sub/c.csv -o got.csv -q 2>/dev/null; echo "ends with $?"
dvc get . data --rev v1 -o old -q; ls old
dvc get . model.bin --show-url | sed "s|$(dirname "$PWD")|BASE|"
dvc get . nothing 2>/dev/null || echo failed
printf '*.log\n/data/tmp\n' >.dvcignore
dvc check-ignore x.log; echo "ends with $?"
dvc check-ignore a.csv; echo "ends with $?"
printf 'a.log\nb.csv\n' | dvc check-ignore --stdin -n -d; echo "ends with $?"
dvc check-ignore -q x.log; echo "ends with $?"
