#!/bin/sh
# Makes the reference environment. Usage: sh Tools/reference/setup_env.sh [VENV_DIR]
set -e
VENV=${1:-venv}
HERE=$(cd "$(dirname "$0")" && pwd)
python3 -m venv "$VENV"
"$VENV/bin/pip" install -q -r "$HERE/requirements.txt"
