# What the other recipes begin with: two tagged commits of data, all of it pushed.
dvc init -q
dvc config core.analytics false
mkdir -p data/sub
printf '1\n' >data/a.csv
printf '22\n' >data/b.csv
printf '333\n' >data/sub/c.csv
printf 'weights\n' >model.bin
dvc add -q data
dvc add -q model.bin
dvc remote add -q -d st ../store
git add .
git commit -qm 'First data'
git tag v1
dvc push -q
printf 'changed\n' >data/a.csv
rm data/b.csv
printf '4444\n' >data/d.csv
dvc add -q data
git add .
git commit -qm 'Second data'
git tag v2
dvc push -q
