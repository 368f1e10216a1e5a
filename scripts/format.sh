#!/bin/bash
# Formats all sources in place, or with --check names those that are not and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run -Werror)
scripts/sources.sh c h cpp | xargs clang-format-19 "${mode[@]}"
