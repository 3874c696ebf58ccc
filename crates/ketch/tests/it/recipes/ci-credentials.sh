# How scripts set remotes up, secrets in the local file.
dvc remote list
if dvc remote list | grep -q '^st\b'; then dvc remote modify st url ../other; fi
[ "$(dvc remote default)" = st ] && echo default
dvc remote add --force origin https://example.org/me/repo.dvc
dvc remote add --force origin https://example.org/me/repo.dvc
dvc remote modify origin auth basic
dvc remote modify --local origin user somebody
dvc remote modify --local origin password secret
dvc remote modify origin --local custom_auth_header X-Token
dvc remote modify origin auth other 2>/dev/null; echo "ends with $?"
dvc remote add -d -f storage s3://bucket/dvc-store
dvc remote modify storage region eu-north-1
dvc remote modify storage endpointurl http://localhost:9000
dvc remote modify --local storage access_key_id id
dvc remote modify --local storage secret_access_key secret
dvc remote modify storage use_ssl false
dvc remote modify storage profile prod
dvc remote modify storage use_ssl perhaps 2>/dev/null; echo "ends with $?"
dvc remote modify storage nosuch 1 2>/dev/null; echo "ends with $?"
dvc remote add gcs gs://bucket/path
dvc remote modify --local gcs credentialpath "$PWD/key.json"
dvc remote modify --local gcs credentialpath keys/key.json
dvc remote add az azure://container/path
dvc remote modify az account_name me
dvc remote modify --local az connection_string 'AccountName=me;AccountKey=a=='
dvc remote add server ssh://me@example.org:2222/srv/dvc
dvc remote modify server keyfile ~/.ssh/id
dvc remote modify --local server ask_password true
dvc remote add drive gdrive://folder/dvc
dvc remote modify drive gdrive_acknowledge_abuse true
dvc remote modify --local drive gdrive_client_id id
dvc remote modify --local drive gdrive_use_service_account true
dvc remote modify --local drive gdrive_service_account_json_file_path key.json
dvc remote add dav webdavs://example.org/remote.php/dav/files/me
dvc remote modify --local dav token t
dvc remote add --local near /srv/dvc
dvc remote modify st version_aware true
dvc remote modify st jobs 4
dvc remote modify st jobs many 2>/dev/null; echo "ends with $?"
dvc remote rename st first
dvc remote modify storage profile --unset
dvc remote list
dvc remote list --project
dvc remote list --global
dvc remote remove --local dav
dvc remote remove --project dav
dvc remote remove --local near
dvc remote default first
dvc remote default
dvc config core.remote
dvc config -l
echo '--' && cat .dvc/config && echo '--' && cat .dvc/config.local
