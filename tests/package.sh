#!/bin/sh
# Build the wheel, install it where nothing else is, and use it there: with the newest Keras, then
# with the oldest that the metadata allows. Arguments: a Python that has `build`, the oldest Keras.
set -e
python=$1 oldest=$2 here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM HUP
echo "Building the wheel and installing it into an empty environment: 3 GB of disk for a while."
"$python" -m build --quiet --wheel --outdir "$folder" .
"$python" -m venv "$folder/venv"
try() {
  (cd "$folder" && venv/bin/python -c "from dnzoo import unet" && venv/bin/python "$here/use_wheel.py" "$1")
}
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$folder"/*.whl
try ""
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "keras==$oldest"
try "$oldest"
