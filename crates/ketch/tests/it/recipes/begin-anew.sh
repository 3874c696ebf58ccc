# Repositories that scripts make again, and take away.
dvc init 2>/dev/null; echo "ends with $?"
dvc init --subdir 2>/dev/null; echo "ends with $?"
dvc init -fq; echo "ends with $?"
cat .dvcignore .dvc/.gitignore .dvc/config
dvc status >/dev/null; echo "ends with $?"
dvc destroy </dev/null &>/dev/null; echo "ends with $?"
echo n | dvc destroy &>/dev/null; echo "ends with $?"
echo y | dvc destroy &>/dev/null; echo "ends with $?"
[ -e .dvc ] || echo gone; ls *.dvc 2>/dev/null
