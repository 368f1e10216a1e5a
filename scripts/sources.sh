#!/bin/bash
# Prints the repository's C and C++ sources with the given suffixes, one a line, sorted:
# scripts/sources.sh c h cpp. Table files (.def) are laid out by hand and not listed.
set -euo pipefail
cd "$(dirname "$0")/.."
names=()
for suffix in "$@"; do
    names+=(-o -name "*.$suffix")
done
find base ir frontend passes codegen runtime include tools tests examples bench docs \
    -type f \( "${names[@]:1}" \) | LC_ALL=C sort
