# Git hooks, by themselves and as the pre-commit tool calls them.
dvc install
ls .git/hooks | grep -v sample
dvc git-hook pre-commit; echo "ends with $?"
dvc git-hook pre-push origin url </dev/null; echo "ends with $?"
dvc git-hook post-checkout HEAD HEAD 1; echo "ends with $?"
printf 'edited\n' >data/a.csv
dvc git-hook pre-commit; echo "ends with $?"
git commit -qm 'Nothing staged' --allow-empty; echo "ends with $?"
dvc add -q data && git add data.dvc && git commit -qm 'Third data'; echo "ends with $?"
git checkout -q v1; echo "ends with $?"; cat data/a.csv
git checkout -q v2; echo "ends with $?"; cat data/a.csv
