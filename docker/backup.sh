#!/bin/sh
# Write everything that this deployment knows into one private file: docker/backup.sh FILE.tar
# Both databases, data and artifacts, released models, task logs; not .env, whose secrets belong elsewhere, nor settings.env.
# No node runs while it copies: the records and the files fit each other. A run that was under way goes on afterwards.
set -eu
umask 077
file=${1:?usage: docker/backup.sh FILE.tar}
case $file in /*) ;; *) file=$PWD/$file ;; esac
cd "$(dirname "$0")/.."
[ ! -e "$file" ] || { echo "backup: $file is there already: choose another name" >&2; exit 1; }
folder=$(mktemp -d "$file.unfinished.XXXXXX")
paused=
# Compose writes its progress to stderr, which matters only after a failure.
quietly() { said=$("$@" 2>&1) || { printf '%s\n' "$said" >&2; return 1; }; }
resume() {
  status=$?
  # A terminal that is gone tells its processes more than once.
  trap '' HUP INT TERM
  rm -rf "$folder"
  # shellcheck disable=SC2086
  if [ -n "$paused" ] && ! quietly docker compose --profile celery start scheduler $workers; then
    echo "backup: no node runs, because the scheduler could not be started again: docker compose up -d" >&2 || true
    [ "$status" -ne 0 ] || status=1
  fi
  trap - EXIT
  exit "$status"
}
trap resume EXIT
# dash, which is many a system's sh, ends by a signal without its EXIT trap unless the signal has one of its own.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

workers=$(docker compose --profile celery ps --services --status running | grep -x worker || true)
if docker compose ps --services --status running | grep -qx scheduler; then
  paused=yes
  # shellcheck disable=SC2086
  quietly docker compose --profile celery stop scheduler $workers
fi
docker compose exec -T postgres pg_dump -U airflow -Fc airflow >"$folder/airflow.pgdump"
# shellcheck disable=SC2016
docker compose exec -T mariadb sh -c 'MYSQL_PWD="$MARIADB_PASSWORD" exec mariadb-dump -u mlmd --single-transaction --no-tablespaces mlmd' >"$folder/mlmd.sql"
docker compose run --rm -T --no-deps init tar -C / -cf - var/lib/nightlite var/log/airflow >"$folder/files.tar"
tar -C "$folder" -cf "$folder/whole" airflow.pgdump mlmd.sql files.tar
sync "$folder/whole"
mv "$folder/whole" "$file"
echo "backup: $file, $(du -h "$file" | cut -f1)"
