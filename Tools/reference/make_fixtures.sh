#!/bin/sh
# Remakes Tests/Fixtures/amused_* with the reference implementation (about a minute). Usage, in the environment that
# setup_env.sh makes: sh Tools/reference/make_fixtures.sh [OUT]
set -e
HERE=$(cd "$(dirname "$0")" && pwd)
OUT=${1:-$HERE/../../Tests/Fixtures}
python "$HERE/make_amused.py" --out "$OUT/amused_tiny256" --seed 1 --preset tiny256
python "$HERE/make_amused.py" --out "$OUT/amused_tiny512" --seed 2 --preset tiny512
