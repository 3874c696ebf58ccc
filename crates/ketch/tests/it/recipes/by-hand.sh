# Adding, moving, removing, importing by scripts.
printf 'x\n' >x.csv; printf 'y\n' >y.csv; mkdir raw; printf 'r\n' >raw/r.csv; printf 's\n' >raw/s.csv
dvc add -q $(ls *.csv | sort)
dvc add --glob 'raw/*.csv' -q; cat raw/.gitignore
dvc add x.csv --no-commit; echo "ends with $?"
dvc add x.csv -q --file other.dvc &>/dev/null; echo "ends with $?"
dvc add -R raw &>/dev/null; echo "ends with $?"
dvc add nothing 2>/dev/null; echo "ends with $?"
dvc add .dvc/config 2>/dev/null; echo "ends with $?"
dvc add README 2>/dev/null; echo "ends with $?"
printf 'doc\n' >README; git add README; dvc add README 2>/dev/null; echo "ends with $?"
dvc add x.csv.dvc 2>/dev/null; echo "ends with $?"
dvc add ../outside 2>/dev/null; echo "ends with $?"
git add . && git commit -qm 'More'
printf 'xx\n' >x.csv
dvc commit -f x.csv.dvc
dvc commit x.csv -f -q; echo "ends with $?"
dvc commit </dev/null; echo "ends with $?"
printf 'xxx\n' >x.csv
dvc commit </dev/null 2>/dev/null; echo "ends with $?"
dvc commit -fq
dvc move y.csv z.csv -q && cat z.csv.dvc
dvc mv z.csv raw/ -q 2>/dev/null; echo "ends with $?"
ls raw
dvc remove x.csv.dvc && ls x.csv*
dvc remove raw/r.csv.dvc --outs && ls raw
dvc remove x.csv 2>/dev/null; echo "ends with $?"
dvc import . model.bin -o copy.bin 2>/dev/null >/dev/null; echo "ends with $?"
dvc import-url "$PWD/README" taken.txt -q; echo "ends with $?"; sed 's/md5: .*//' taken.txt.dvc
dvc update taken.txt.dvc -q; echo "ends with $?"
dvc unprotect model.bin
printf 'mine\n' >model.bin
dvc checkout </dev/null 2>/dev/null; echo "ends with $?"; cat model.bin
dvc checkout -f model.bin.dvc -q; cat model.bin
dvc gc -w </dev/null &>/dev/null; echo "ends with $?"
echo n | dvc gc -w &>/dev/null; echo "ends with $?"
printf 'perhaps\ny\n' | dvc gc -w &>/dev/null; echo "ends with $?"
dvc gc --workspace --cloud --force -q; echo "ends with $?"
dvc gc --all-tags --all-branches -f -q; echo "ends with $?"
dvc gc -f 2>/dev/null; echo "ends with $?"
