#!/bin/bash
# What the documents name exists, and they name all options, functions, losses and optimisers.
set -euo pipefail
export LC_ALL=C.UTF-8
pages=(README.md ARCHITECTURE.md CONTRIBUTING.md docs/*.md)
failed=0

complain() {
    echo "$1"
    failed=1
}

# The anchors of a page's headings, as they are made of them on the web.
anchors() {
    sed -n 's/^##* //p' "$1" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-'
}

# links PAGE: the targets of its links.
links() {
    grep -o '](\([^)]*\))' "$1" | sed 's/^](//; s/)$//' | grep -v '^https*:' || true
}

echo "links lead somewhere"
for page in "${pages[@]}"; do
    while read -r link; do
        file=${link%%#*}
        target=$page
        [ -z "$file" ] || target=$(dirname "$page")/$file
        if [ ! -e "$target" ]; then
            complain "$page: there is no '$file'"
        elif [[ $link == *#* ]] && ! anchors "$target" | grep -qxF "${link#*#}"; then
            complain "$page: $target has no heading '${link#*#}'"
        fi
    done < <(links "$page")
done
[ "$(cat "${pages[@]}" | grep -c '](.*\.md')" -ge 10 ] || complain "the links have gone"

# A path is a word in backticks with a slash, below one of the project's folders; <id>, NAME and *
# in it stand for anything. Tests go by names of the same form.
echo "files that are named exist"
folders='base|ir|frontend|passes|codegen|runtime|tools|tests|bench|examples|docs|scripts|cmake'
for page in "${pages[@]}"; do
    while read -r path; do
        pattern=$(sed 's/<[a-z]*>/*/g; s/NAME\|FOLDER\|TOPIC/*/g' <<<"$path")
        compgen -G "$pattern" >/dev/null || compgen -G "tests/${path/\//\/test_}.*" >/dev/null ||
            complain "$page: there is no '$path'"
    done < <(grep -oE "\`($folders)/[A-Za-z0-9_./*<>-]*\`" "$page" | tr -d '`' | sort -u)
done

echo "options and functions are documented"
while read -r option; do
    grep -qF -- "${option//-/\\-}" docs/tenon.1 || complain "docs/tenon.1: $option is missing"
done < <(sed -n 's/^OPTION([A-Z_]*, "\([^"]*\)".*/\1/p' tools/options.def)
while read -r command; do
    grep -qF "tenon $command " docs/tenon.1 || complain "docs/tenon.1: tenon $command is missing"
    grep -qF "\`tenon $command " README.md || complain "README.md: tenon $command is missing"
done < <(sed -n 's/^COMMAND(\([a-z]*\),.*/\1/p' tools/commands.def)
while read -r function; do
    grep -qF "$function" docs/c-api.md || complain "docs/c-api.md: $function is missing"
done < <(grep -ohE '^TN_API .*' include/tenon/*.h | grep -oE 'tn_[a-z0-9_]+\(' | tr -d '(' | sort -u)

# Helpers that serve statements, and second names, need no place in the table.
echo "the table in README.md has all losses and optimisers"
others='_|mse$|mae$|cosine_similarity|l[12]_penalty|clip_by|regularize_gradient'
while read -r name; do
    grep -qF "\`$name\`" README.md || complain "README.md: $name is missing"
done < <(sed -n 's/^fn \([a-z0-9_]*\)(.*/\1/p' frontend/lib/losses.tn frontend/lib/optimizers.tn |
    grep -vE "^($others)")

# Tables and what programs print may be wider.
echo "text keeps to 100 columns"
for page in README.md ARCHITECTURE.md CONTRIBUTING.md docs/c-api.md docs/language.md \
    docs/text-format.md; do
    wide=$(sed '/^<!-- printed/,/^<!-- end/d' "$page" | grep -vE '^(\||    graph @)' |
        grep -nE '^.{101,}' || true)
    [ -z "$wide" ] || complain "$page: $wide"
done
exit $failed
