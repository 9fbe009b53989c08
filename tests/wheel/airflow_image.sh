#!/usr/bin/env bash
# Build a stand-in of Airflow's own image where no registry is reached: Debian 12, its Python 3.11, Airflow from PyPI in
# a virtual environment of the user airflow, and neither a compiler nor uv.
#
# usage: airflow_image.sh TAG    Debian 12 as root, with an apt that knows its mirror, debootstrap and Docker
set -euo pipefail
tag=$1
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk '$2 == "bookworm" {print $1; exit}')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

packages=ca-certificates,netbase,tzdata,procps,python3,python3-venv,python3-dev
debootstrap --variant=minbase --include="$packages" bookworm "$folder/debian" "${mirror%/}" >"$folder/log" 2>&1 ||
  { tail -20 "$folder/log" >&2; exit 1; }
# The machine's own certificate authorities, so that package indexes are reached from inside.
cp /etc/ssl/certs/ca-certificates.crt "$folder/debian/etc/ssl/certs/ca-certificates.crt"
rm -rf "$folder"/debian/var/cache/apt/archives/*.deb "$folder"/debian/var/lib/apt/lists/*
authorities=/etc/ssl/certs/ca-certificates.crt
tar -C "$folder/debian" -c . | docker import -c "ENV LANG=C.UTF-8 SSL_CERT_FILE=$authorities PIP_CERT=$authorities" - "$tag-base" >/dev/null

mkdir "$folder/context"
docker build --quiet --tag "$tag" --file - "$folder/context" <<DOCKERFILE
FROM $tag-base
RUN useradd --uid 50000 --gid 0 --create-home airflow && install -d -o airflow -g 0 -m 775 /opt/airflow /opt/airflow/dags
USER airflow
ENV AIRFLOW_HOME=/opt/airflow HOME=/home/airflow
ENV PATH=\$HOME/.local/bin:\$PATH
RUN --mount=type=cache,target=/var/cache/pip,uid=50000 \
    python3 -m venv ~/.local && PIP_CACHE_DIR=/var/cache/pip pip install --quiet apache-airflow==3.3.2
WORKDIR /opt/airflow
CMD ["bash"]
DOCKERFILE
docker rmi "$tag-base" >/dev/null 2>&1 || true
