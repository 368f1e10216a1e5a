#!/bin/bash
# Runs clang-tidy over the sources a configured build directory compiles.
#
#   scripts/lint.sh [BUILD [JOBS [FILE-REGEX]]]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
jobs=${2:-$(nproc)}
only=${3:-.}
if [ ! -f "$build/compile_commands.json" ]; then
    echo "lint.sh: $build/compile_commands.json not found: configure first" >&2
    exit 1
fi
# Headers are reached through links in the build's stage directory or from the root.
headers="($(pwd -P)|$(cd "$build" && pwd -P)/stage)/.*\.h$"
scripts/sources.sh c | grep -E "$only" |
    xargs -P "$jobs" -n 4 clang-tidy-19 --quiet -p "$build" --header-filter="$headers" \
        2> >(grep -vE '^[0-9]+ warnings? (generated|treated)' >&2)
