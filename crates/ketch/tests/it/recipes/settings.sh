# Settings by scripts.
dvc config core.autostage true
dvc config cache.type reflink,hardlink,copy
dvc config --local cache.type symlink
dvc config cache.shared group
dvc config core.check_update false --global
dvc config core.checksum_jobs 2
dvc config --unset core.checksum_jobs
dvc config --unset core.checksum_jobs 2>/dev/null; echo "ends with $?"
dvc config cache.type magic 2>/dev/null; echo "ends with $?"
dvc config core >/dev/null 2>&1; echo "ends with $?"
dvc config nosuch.key 2>/dev/null; echo "ends with $?"
dvc config exp.auto_push true
dvc config --global studio.token isat_1
dvc config studio.token
dvc config --global --unset studio.token
dvc config studio.token 2>/dev/null; echo "ends with $?"
dvc config remote.st.url
dvc config remote.st.url ../elsewhere
dvc config core.remote st
dvc config --project core.remote
dvc config --local core.remote 2>/dev/null; echo "ends with $?"
dvc config hydra.enabled True
dvc config parsing.bool boolean_optional
dvc config --list
dvc cache dir
(cd data && dvc cache dir)
dvc cache dir --local ../shared-cache
dvc cache dir
dvc cache dir --unset --local
dvc cache dir
cat .dvc/config .dvc/config.local
printf 'staged\n' >more.csv
dvc add -q more.csv
git status --porcelain | sort
