#!/bin/bash
# The examples in README.md and docs/text-format.md do what the text says.
set -euo pipefail
build=$(realpath "${TENON_BUILD_DIR:?set it to a build directory}")
for program in bin/tenon examples/run_so examples/train; do
    if [ ! -x "$build/$program" ]; then
        echo "skipped: $build/$program is not built"
        exit 77
    fi
done
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
ln -s "$build" build
ln -s "$root/examples" examples

echo "README.md: the examples"
sed -n 's/^    \$ \(build\/.*\)/\1/p' "$root/README.md" >commands
[ "$(wc -l <commands)" -ge 9 ] || { echo "the examples have gone"; exit 1; }
while read -r command; do
    echo "\$ $command"
    bash -c "$command" </dev/null
done <commands

echo "README.md: the model is the file that the commands compile"
sed -n '/^```tn$/,/^```$/{/^```/d;p}' "$root/README.md" >shown.tn
[ -s shown.tn ] || { echo "the model has gone"; exit 1; }
diff -u <(grep -v '^#' examples/train/mlp.tn | sed '1{/^$/d}') shown.tn

# block N: the N-th indented block of docs/text-format.md that starts with "graph @mlp" or a
# comment before it.
block() {
    awk -v want="$1" '
        /^    (#|graph @mlp)/ && !inside { inside = 1; n++ }
        !/^    / { inside = 0 }
        inside && n == want { print substr($0, 5) }' "$root/docs/text-format.md"
}

echo "docs/text-format.md: the first graph prints as the second"
block 1 >written.tn
block 2 >expected.tn
[ -s expected.tn ] || { echo "the examples have gone"; exit 1; }
build/bin/tenon compile written.tn --emit=graph --stop-after=infer -o printed.tn
diff -u expected.tn printed.tn
build/bin/tenon compile expected.tn --emit=graph --stop-after=infer -o again.tn
diff -u printed.tn again.tn
build/bin/tenon verify written.tn --sizes N=0,1,5

echo "docs/text-format.md: the module is one that prints as itself"
awk '/^    module "/ { inside = 1 } !/^    / { inside = 0 } inside { print substr($0, 5) }' \
    "$root/docs/text-format.md" >module.tn
[ -s module.tn ] || { echo "the module has gone"; exit 1; }
build/bin/tenon compile module.tn --emit=graph --stop-after=infer -o printed.tn
build/bin/tenon compile printed.tn --emit=graph --stop-after=infer -o again.tn
diff -u printed.tn again.tn
build/bin/tenon verify module.tn
