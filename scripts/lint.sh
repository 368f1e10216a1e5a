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
# One report a file, printed whole, and only where there is something to report.
check='report=$(clang-tidy-19 --quiet -p "$0" --header-filter="$1" "$2" 2>/dev/null) ||
    { printf "%s\n%s\n" "lint: $2" "$report"; exit 1; }'
scripts/sources.sh c | grep -E "$only" |
    xargs -P "$jobs" -I '{}' bash -c "$check" "$build" "$headers" '{}'
