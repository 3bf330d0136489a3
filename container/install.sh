#!/bin/sh
# The locked dependencies, without those of development and without the project itself, into the folder $1.
# Reads pyproject.toml and uv.lock of the current folder. For the Dockerfile and the Apptainer definition.
set -eu
uv=$(mktemp -d)
python3 -m venv "$uv"
"$uv/bin/pip" install --quiet --disable-pip-version-check uv==0.13.8
UV_PROJECT_ENVIRONMENT="$1" "$uv/bin/uv" sync --frozen --no-dev --no-install-project --quiet --python python3
rm -r "$uv"
