/* clang.cpp: Clang and LLD as libraries; see clang.h.
 *
 * Each compilation has a CompilerInstance, a file system (empty) and an LLVMContext of its
 * own; the only state shared is LLVM's target registry, filled once. Options are those of
 * Clang's inner command (cc1), where loop and SLP vectorisation are off unless asked for.
 */
#include "codegen/clang.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "lld/Common/CommonLinkerContext.h"
#include "lld/Common/Driver.h"
#include "clang/Basic/Diagnostic.h"
#include "clang/Basic/FileManager.h"
#include "clang/CodeGen/CodeGenAction.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Frontend/CompilerInvocation.h"
#include "clang/Frontend/TextDiagnosticPrinter.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/VirtualFileSystem.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

namespace {

void initialize_targets() {
    static std::once_flag once;
    std::call_once(once, [] {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86Target();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmPrinter();
        LLVMInitializeX86AsmParser();
    });
}

bool fail(const std::string &text, char **error) {
    *error = strdup(text.c_str());
    return false;
}

std::vector<const char *> clang_arguments(const Target *target, int opt_level) {
    /* Below 1 Clang would keep every vector in memory and inline nothing. */
    static const char *const levels[] = {"-O1", "-O1", "-O2", "-O3"};
    std::vector<const char *> args = {"-triple",
                                      "x86_64-pc-linux-gnu",
                                      "-target-cpu",
                                      target->march,
                                      "-std=c17",
                                      levels[opt_level < 0   ? 0
                                             : opt_level > 3 ? 3
                                                             : opt_level],
                                      "-x",
                                      "c",
                                      "-fno-builtin",
                                      "-fno-unroll-loops",
                                      "-ffp-contract=fast",
                                      "-fvisibility=hidden",
                                      "-mrelocation-model",
                                      "pic",
                                      "-pic-level",
                                      "2",
                                      "-mframe-pointer=none",
                                      "-nostdsysteminc",
                                      "-nobuiltininc",
                                      "-w",
                                      "-clear-ast-before-backend",
                                      "-fbracket-depth",
                                      "1024",
                                      "-main-file-name",
                                      "model.c"};
    if (target->vector_bytes >= 64) {
        args.push_back("-mprefer-vector-width=512");
    }
    args.push_back("model.c");
    return args;
}

/* Text of the diagnostics of one compilation. */
struct Messages {
    std::string text;
    llvm::raw_string_ostream stream{text};
    llvm::IntrusiveRefCntPtr<clang::DiagnosticOptions> options{new clang::DiagnosticOptions};
    clang::TextDiagnosticPrinter printer{stream, options.get()};
};

std::unique_ptr<clang::CodeGenAction> make_action(ClangOutput kind) {
    switch (kind) {
    case CLANG_ASM:
        return std::make_unique<clang::EmitAssemblyAction>();
    case CLANG_LLVM:
        return std::make_unique<clang::EmitLLVMAction>();
    default:
        return std::make_unique<clang::EmitObjAction>();
    }
}

bool run(clang::CompilerInstance &compiler, Messages &messages, llvm::StringRef source,
         ClangOutput kind, llvm::SmallVectorImpl<char> &result) {
    compiler.createDiagnostics(&messages.printer, /*ShouldOwnClient=*/false);
    compiler.createFileManager(new llvm::vfs::InMemoryFileSystem);
    compiler.setVerboseOutputStream(std::make_unique<llvm::raw_null_ostream>());
    clang::FrontendInputFile input(llvm::MemoryBufferRef(source, "model.c"),
                                   clang::InputKind(clang::Language::C));
    compiler.getFrontendOpts().Inputs.assign(1, input);
    compiler.setOutputStream(std::make_unique<llvm::raw_svector_ostream>(result));
    std::unique_ptr<clang::CodeGenAction> action = make_action(kind);
    return compiler.ExecuteAction(*action);
}

bool take_bytes(const llvm::SmallVectorImpl<char> &result, Bytes *out, char **error) {
    out->size = result.size();
    out->data = static_cast<unsigned char *>(malloc(result.size() + 1));
    if (out->data == nullptr) {
        *error = nullptr;
        return false;
    }
    memcpy(out->data, result.data(), result.size());
    return true;
}

std::vector<const char *> link_arguments(const char *const *objects, size_t n_objects,
                                         bool relocatable, const char *path) {
    std::vector<const char *> args = {"ld.lld",
                                      "-o",
                                      path,
                                      "--threads=1",
                                      "--build-id=none",
                                      "--no-mmap-output-file",
                                      "--color-diagnostics=never"};
    if (relocatable) {
        args.push_back("-r");
    } else {
        args.insert(args.end(), {"-shared", "--no-undefined", "--hash-style=gnu", "-z", "now"});
    }
    args.insert(args.end(), objects, objects + n_objects);
    return args;
}

} // namespace

bool tn_clang_compile(const char *source, size_t size, const Target *target, int opt_level,
                      ClangOutput kind, Bytes *out, char **error) {
    initialize_targets();
    Messages messages;
    auto invocation = std::make_shared<clang::CompilerInvocation>();
    clang::DiagnosticsEngine diagnostics(new clang::DiagnosticIDs, messages.options.get(),
                                         &messages.printer, /*ShouldOwnClient=*/false);
    if (!clang::CompilerInvocation::CreateFromArgs(*invocation, clang_arguments(target, opt_level),
                                                   diagnostics)) {
        return fail("Clang refuses its options: " + messages.text, error);
    }
    clang::CompilerInstance compiler;
    compiler.setInvocation(std::move(invocation));
    llvm::SmallString<0> result;
    if (!run(compiler, messages, llvm::StringRef(source, size), kind, result)) {
        messages.stream.flush();
        return fail(messages.text, error);
    }
    return take_bytes(result, out, error);
}

bool tn_lld_link(const char *const *objects, size_t n_objects, bool relocatable, const char *path,
                 char **error) {
    static std::mutex mutex;
    std::lock_guard<std::mutex> lock(mutex);
    std::string text;
    llvm::raw_string_ostream stream(text);
    std::vector<const char *> args = link_arguments(objects, n_objects, relocatable, path);
    bool ok = lld::elf::link(args, stream, stream, /*exitEarly=*/false, /*disableOutput=*/false);
    lld::CommonLinkerContext::destroy();
    stream.flush();
    return ok || fail(text, error);
}
