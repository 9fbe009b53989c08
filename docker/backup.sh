#!/bin/sh
# Write everything that this deployment knows into one private file: docker/backup.sh FILE.tar
# Both databases, data and artifacts, released models, task logs; not .env, whose secrets belong elsewhere.
# No node runs while it copies: the records and the files fit each other. A run that was under way goes on afterwards.
set -eu
umask 077
file=${1:?usage: docker/backup.sh FILE.tar}
case $file in /*) ;; *) file=$PWD/$file ;; esac
cd "$(dirname "$0")/.."
[ ! -e "$file" ] || { echo "backup: $file is there already: choose another name" >&2; exit 1; }
folder=$(mktemp -d "$file.unfinished.XXXXXX")
workers=$(docker compose --profile celery ps --services --status running | grep -x worker || true)
paused=
resume() {
  # shellcheck disable=SC2086
  [ -z "$paused" ] || docker compose --profile celery start scheduler $workers >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap resume EXIT
trap 'exit 130' INT TERM

if docker compose ps --services --status running | grep -qx scheduler; then
  paused=yes
  # shellcheck disable=SC2086
  docker compose --profile celery stop scheduler $workers >/dev/null 2>&1
fi
docker compose exec -T postgres pg_dump -U airflow -Fc airflow >"$folder/airflow.pgdump"
# shellcheck disable=SC2016
docker compose exec -T mariadb sh -c 'MYSQL_PWD="$MARIADB_PASSWORD" exec mariadb-dump -u mlmd --single-transaction --no-tablespaces mlmd' >"$folder/mlmd.sql"
docker compose run --rm -T --no-deps init tar -C / -cf - var/lib/mnist-lite var/log/airflow >"$folder/files.tar"
tar -C "$folder" -cf "$folder/whole" airflow.pgdump mlmd.sql files.tar
sync "$folder/whole"
mv "$folder/whole" "$file"
echo "backup: $file, $(du -h "$file" | cut -f1)"
