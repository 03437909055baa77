"""Builds a C++ run-time library over musl for ARM64 guests, which Debian has no package of.

musl_cxx.py [--fetch] PROGRAM.cpp OUTPUT   compiles a static program with it

LLVM's libc++, libc++abi and libunwind from the source package of the pinned compiler, musl from
Debian's arm64 packages; both are fetched with --fetch only. The libraries are kept in the cache of
the root builder under a key made of everything that goes into them. Exit status 3: the sources are
not there and --fetch was not given.
"""
import argparse
import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

import aptfetch
import build

SUITE, ARCH, LLVM = "bookworm", "arm64", "19"
PACKAGES = ["musl-dev", "linux-libc-dev"]
WANTED = PACKAGES + ["musl"]
CLANG, CLANGXX, AR = "clang-" + LLVM, "clang++-" + LLVM, "llvm-ar-" + LLVM
NOT_THERE = 3
FLAGS = ["--target=aarch64-linux-musl", "-O1", "-fPIC", "-w", "-nostdlibinc", "-mno-outline-atomics",
         "-ffunction-sections", "-fdata-sections"]
CONFIG_SITE = """#pragma once
#define _LIBCPP_ABI_VERSION 1
#define _LIBCPP_ABI_NAMESPACE __1
#define _LIBCPP_HAS_MUSL_LIBC
#define _LIBCPP_HAS_THREAD_API_PTHREAD
#define _LIBCPP_HAS_NO_VENDOR_AVAILABILITY_ANNOTATIONS
#define _LIBCPP_HAS_NO_TIME_ZONE_DATABASE
#define _LIBCPP_PSTL_BACKEND_STD_THREAD
#define _LIBCPP_HARDENING_MODE_DEFAULT 2
"""
# library -> folders of its sources below the upstream archive, flags
LIBRARIES = {
    "unwind": (("libunwind/src",), ["-D_LIBUNWIND_IS_NATIVE_ONLY", "-fno-exceptions", "-fno-rtti"]),
    "c++abi": (("libcxxabi/src",), ["-D_LIBCXXABI_BUILDING_LIBRARY", "-D_LIBCPP_BUILDING_LIBRARY",
                                    "-DHAVE___CXA_THREAD_ATEXIT_IMPL=0", "-std=c++23"]),
    "c++": (("libcxx/src", "libcxx/src/filesystem", "libcxx/src/ryu"),
            ["-D_LIBCPP_BUILDING_LIBRARY", "-DLIBCXX_BUILDING_LIBCXXABI",
             "-D_LIBCPP_REMOVE_TRANSITIVE_INCLUDES", "-std=c++23"]),
}
# Parts for other systems, and what libc++abi brings already.
LEFT_OUT = {"cxa_noexception.cpp", "int128_builtins.cpp", "Unwind-wasm.c", "Unwind-seh.cpp",
            "Unwind_AIXExtras.cpp", "Unwind-EHABI.cpp", "Unwind-sjlj.c", "tzdb.cpp"}


class NotThere(Exception):
    pass


def find_sources(cache, fetch):
    """(upstream archive of LLVM, packages of musl); downloaded when missing and `fetch`."""
    apt = aptfetch.Apt(cache, SUITE, ARCH)
    llvm = aptfetch.Apt(cache, SUITE, ARCH, kind="deb-src")
    if not fetch and not (os.path.exists(apt.stamp) and os.path.exists(llvm.stamp)):
        raise NotThere("the sources were never fetched: run %s --fetch" % sys.argv[0])
    if fetch:
        apt.update()
        llvm.update()
    debs = [deb for deb in apt.resolve(PACKAGES) if aptfetch.package_name(deb.filename) in WANTED]
    return llvm.fetch_source("llvm-toolchain-" + LLVM), apt.fetch(PACKAGES, debs)


def unpack(llvm, debs, work):
    for deb in debs:
        subprocess.run(["dpkg-deb", "-x", deb, os.path.join(work, "musl")], check=True)
    with tarfile.open(llvm) as archive:
        for member in archive:
            member.name = member.name.partition("/")[2]
            parts = member.name.split("/")
            if member.isfile() and parts[0] in ("libcxx", "libcxxabi", "libunwind") and parts[1] in (
                    "src", "include", "vendor") and ".." not in parts:
                archive.extract(member, work)
    include = os.path.join(work, "libcxx/include")
    with open(os.path.join(include, "__config_site"), "w") as out:
        out.write(CONFIG_SITE)
    shutil.copy(os.path.join(work, "libcxx/vendor/llvm/default_assertion_handler.in"),
                os.path.join(include, "__assertion_handler"))


def includes(base):
    """In the order the compiler looks: the C++ headers wrap those of C."""
    return ["-nostdinc++", "-isystem", base + "/libcxx/include", "-isystem", base + "/libcxxabi/include",
            "-isystem", base + "/libunwind/include", *(word for name in ("aarch64-linux-musl", "", "aarch64-linux-gnu")
              for word in ("-isystem", base + "/musl/usr/include/" + name))]


def compile_one(work, source, flags, out):
    kind = {".c": (CLANG, []), ".S": (CLANG, [])}.get(os.path.splitext(source)[1], (CLANGXX, flags))
    plain = [flag for flag in flags if flag.startswith("-D")]
    own = ["-I", work + "/libcxx/src", "-I", work + "/libcxxabi/src", "-I", work + "/libunwind/src"]
    subprocess.run([kind[0], *FLAGS, *plain, *kind[1], *includes(work), *own, "-c", source, "-o", out],
                   check=True)
    return out


def build_library(pool, work, name):
    folders, flags = LIBRARIES[name]
    jobs = []
    for folder in folders:
        for file in sorted(os.listdir(os.path.join(work, folder))):
            if file.endswith((".c", ".cpp", ".S")) and file not in LEFT_OUT:
                source = os.path.join(work, folder, file)
                out = os.path.join(work, "%s-%s-%s.o" % (name, os.path.basename(folder), file))
                jobs.append(pool.submit(compile_one, work, source, flags, out))
    return [job.result() for job in jobs]


def build_libraries(llvm, debs, folder):
    with tempfile.TemporaryDirectory(prefix="musl-cxx-", dir=os.path.dirname(folder)) as work, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        unpack(llvm, debs, work)
        partial = os.path.join(work, "result")
        os.makedirs(os.path.join(partial, "lib"))
        for name in LIBRARIES:
            subprocess.run([AR, "rcs", os.path.join(partial, "lib", "lib%s.a" % name),
                            *build_library(pool, work, name)], check=True)
        for name in ("libcxx/include", "libcxxabi/include", "libunwind/include", "musl"):
            shutil.copytree(os.path.join(work, name), os.path.join(partial, name), symlinks=True)
        os.rename(partial, folder)


def libraries(cache, fetch):
    llvm, debs = find_sources(cache, fetch)
    with open(__file__, "rb") as me:
        key = hashlib.sha256(me.read())
    for path in [llvm] + debs:
        key.update(os.path.basename(path).encode())
    folder = os.path.join(cache, "musl-cxx-" + key.hexdigest()[:16])
    if not os.path.exists(folder):
        build_libraries(llvm, debs, folder)
    return folder


def link(base, source, output):
    lib = base + "/musl/usr/lib/aarch64-linux-musl"
    gcc = subprocess.run(["aarch64-linux-gnu-gcc", "-print-libgcc-file-name"], text=True, check=True,
                         stdout=subprocess.PIPE).stdout.strip()
    subprocess.run([CLANGXX, *FLAGS, "-std=c++17", *includes(base), "-static", "-nostdlib", "-fuse-ld=lld",
                    "-Wl,--gc-sections,--eh-frame-hdr", lib + "/crt1.o", lib + "/crti.o", source,
                    *("%s/lib/lib%s.a" % (base, name) for name in ("c++", "c++abi", "unwind")),
                    lib + "/libc.a", gcc, lib + "/libc.a", lib + "/crtn.o", "-o", output], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fetch", action="store_true", help="download what is missing")
    parser.add_argument("--cache", default=build.default_cache())
    parser.add_argument("source")
    parser.add_argument("output")
    options = parser.parse_args()
    try:
        link(libraries(options.cache, options.fetch), options.source, options.output)
    except (NotThere, aptfetch.AptError) as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_THERE)


if __name__ == "__main__":
    main()
