#!/bin/sh
# Put back what docker/backup.sh wrote, in place of whatever is there now: docker/restore.sh FILE.tar
# .env must be the one of then, or at least its AIRFLOW_FERNET_KEY. Afterwards: docker compose up -d
set -eu
file=${1:?usage: docker/restore.sh FILE.tar}
case $file in /*) ;; *) file=$PWD/$file ;; esac
cd "$(dirname "$0")/.."
# Beside the backup, where there is room for what is in it: many a /tmp is in memory.
folder=$(mktemp -d "$file.unpacked.XXXXXX" 2>/dev/null) || folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# dash, which is many a system's sh, ends by a signal without its EXIT trap unless the signal has one of its own.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# Compose writes its progress to stderr, which matters only after a failure.
quietly() { said=$("$@" 2>&1) || { printf '%s\n' "$said" >&2; return 1; }; }

# Before anything is touched: is it whole, and is it ours? Are there secrets?
tar -C "$folder" -xf "$file" airflow.pgdump mlmd.sql files.tar && tar -tf "$folder/files.tar" >/dev/null \
  || { echo "restore: expected a whole file that docker/backup.sh wrote. Received: $file. Nothing was changed" >&2; exit 1; }
docker compose config -q || {
  echo "restore: expected the .env of the deployment that was backed up; 'make env' makes a new one, into which at least" \
    "its AIRFLOW_FERNET_KEY belongs. Received: what is said above. Nothing was changed" >&2
  exit 1
}

quietly docker compose --profile celery --profile feed down
quietly docker compose up -d --wait postgres mariadb
docker compose exec -T postgres sh -c 'dropdb -U airflow --force --maintenance-db postgres airflow && createdb -U airflow --maintenance-db postgres airflow'
docker compose exec -T postgres pg_restore -U airflow -d airflow --exit-on-error <"$folder/airflow.pgdump"
# shellcheck disable=SC2016
docker compose exec -T mariadb sh -c 'export MYSQL_PWD="$MARIADB_PASSWORD"
  mariadb -u mlmd -e "DROP DATABASE mlmd; CREATE DATABASE mlmd" && exec mariadb -u mlmd mlmd' <"$folder/mlmd.sql"
docker compose run --rm -T --no-deps init sh -c '
  find /var/lib/nightlite /var/log/airflow -mindepth 1 -not -path /var/lib/nightlite/feed -delete
  exec tar -C / -xf - --no-overwrite-dir' <"$folder/files.tar"
echo "restore: done; now docker compose up -d"
