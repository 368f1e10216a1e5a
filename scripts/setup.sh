#!/bin/bash
# Installs the Debian packages Tenon needs, only those that are missing.
#
#   scripts/setup.sh [build|test|demo|lint]...     (default: build)
#
# Root is asked for, by sudo, only when something is missing. On a system without apt the
# list is printed and nothing is done.
set -euo pipefail

packages_of() {
    case $1 in
    build) echo gcc g++ libc6-dev cmake make ninja-build llvm-19-dev libclang-19-dev \
        libclang-cpp19-dev liblld-19-dev zlib1g-dev libzstd-dev ;;
    test) packages_of build; echo libcmocka-dev clang-19 pkg-config ;;
    demo) packages_of build; echo dataset-fashion-mnist ;;
    lint) packages_of test; echo git clang-format-19 clang-tidy-19 ;;
    *) echo "setup.sh: unknown group '$1': expected build, test, demo or lint" >&2; return 1 ;;
    esac
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

wanted=
for group in "${@:-build}"; do
    wanted+=" $(packages_of "$group")"
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "setup.sh: no apt here; Tenon needs what Debian 12 calls:$wanted" >&2
    exit 0
fi

missing=()
for package in $(printf '%s\n' $wanted | sort -u); do
    installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "setup.sh: installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup.sh: not root and no sudo; as root run: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
# Package lists may be absent or old on a fresh machine; a failing mirror that is not
# needed must not stop the installation.
"${as_root[@]}" apt-get update -qq || echo "setup.sh: apt-get update failed; going on" >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
