# A fresh clone in a build, its data, and what it pushes back.
git clone -q . ../clone
cd ../clone
dvc remote modify --local st url "$PWD/../store"
dvc pull -q || echo "pull ends with $?"
cat data/a.csv model.bin
dvc pull
dvc pull data/a.csv
dvc pull -r st --force --allow-missing
dvc pull -j 4 model.bin.dvc
dvc pull --run-cache
rm -r .dvc/cache data model.bin
dvc pull model.bin
dvc fetch --all-commits -j 2 | sort
dvc fetch -a -T
dvc checkout | sort
rm -r data
dvc checkout data.dvc
dvc checkout data.dvc --force
dvc checkout --summary
git checkout -q v1 && dvc checkout
cat data/a.csv
git checkout -q v2 && dvc checkout -q
rm -r .dvc/cache
dvc push 2>/dev/null; echo "push ends with $?"
dvc fetch --quiet; echo "fetch ends with $?"
dvc push --all-tags
dvc push -a -T -j 2
dvc push -r st model.bin.dvc
dvc push nothing.dvc 2>/dev/null; echo "ends with $?"
rm -r ../store .dvc/cache data
dvc pull >/dev/null 2>&1; echo "pull ends with $?"
