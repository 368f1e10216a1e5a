#!/bin/bash
# Only ir/ may tell opcodes apart by switch; everybody else asks the table for traits.
# Nor may an include step around the staged include directories.
set -euo pipefail
folders=(base frontend passes codegen runtime tools)
failed=0
if grep -rn 'case TN_OP_' --include='*.[ch]' --include='*.cpp' "${folders[@]}"; then
    echo "a switch over opcodes outside ir/: ask a trait instead"
    failed=1
fi
if grep -rnE '#include *"[^"]*\.\./' --include='*.[ch]' --include='*.cpp' ir "${folders[@]}"; then
    echo "an include by '..': write the path from the repository's root"
    failed=1
fi
exit $failed
