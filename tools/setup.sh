#!/bin/sh
# Installs what a task needs and is missing: tools/setup.sh [build] [root] [test] [compilers] [bench] [npm]
#
# On Debian and its relatives: apt-get, through sudo when not root; when nothing is missing it
# asks nobody and changes nothing. Elsewhere it checks and says exactly what to install.
# It runs on a machine that has only git and make, so it is plain sh and needs no Python.
set -eu

build='clang-19 lld-19 llvm-19 meson ninja-build pkg-config libsqlite3-dev libarchive-dev python3'
root='python3 dpkg apt gpgv debian-archive-keyring zstd'
test="$build $root qemu-user-static gcc libc6-dev gcc-aarch64-linux-gnu g++-aarch64-linux-gnu
 libc6-dev-arm64-cross libarchive-tools dpkg-dev python3-pexpect clang-format-19 git"
# The other compilers that must build us; releases after Debian 12 may not have these versions.
compilers='clang-14 gcc-12'
bench="$build qemu-user-static gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross valgrind qemu-user"

wanted=''
[ $# -gt 0 ] || set -- build
for group; do
    case $group in
    build) wanted="$wanted $build" ;;
    root) wanted="$wanted $root" ;;
    test) wanted="$wanted $test" ;;
    compilers) wanted="$wanted $compilers" ;;
    bench) wanted="$wanted $bench" ;;
    # npm may have come with a Node from elsewhere, so the command decides and not the package.
    npm) command -v npm >/dev/null 2>&1 || wanted="$wanted npm" ;;
    *)
        echo "usage: ${0##*/} [build] [root] [test] [compilers] [bench] [npm]" >&2
        exit 2
        ;;
    esac
done

on_debian() {
    have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
    missing=''
    for package in $wanted; do
        case " $missing " in *" $package "*) continue ;; esac
        printf '%s\n' "$have" | grep -qx -- "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || exit 0

    sudo=''
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "Missing packages, and neither root nor sudo here to install them. As root, run:" >&2
            echo "  apt-get install --no-install-recommends$missing" >&2
            exit 1
        fi
        sudo=sudo
    fi
    echo "Installing:$missing"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    quietly() {
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 \
            -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 </dev/null
    }
    # One unreachable source among many is no reason to stop: the install says whether it matters.
    quietly update || { echo "apt-get update said:" && tail -n 3 "$log"; } >&2
    # shellcheck disable=SC2086 # a list of package names
    quietly install --no-install-recommends -y $missing || {
        tail -n 20 "$log" >&2
        echo "Could not install:$missing" >&2
        exit 1
    }
}

# What a name in the lists above is looked for by on a system without dpkg.
probe() {
    case $1 in
    clang-19) command -v clang-19 || command -v clang || command -v gcc ;;
    meson | pkg-config | python3 | git) command -v "$1" ;;
    ninja-build) command -v ninja ;;
    libsqlite3-dev) pkg-config --exists sqlite3 ;;
    libarchive-dev) pkg-config --exists libarchive ;;
    dpkg) command -v dpkg-deb ;;
    apt) command -v apt-get ;;
    gpgv) command -v gpgv ;;
    zstd) command -v zstd ;;
    qemu-user-static) command -v qemu-aarch64-static || command -v qemu-aarch64 ;;
    gcc-aarch64-linux-gnu) command -v aarch64-linux-gnu-gcc ;;
    g++-aarch64-linux-gnu) command -v aarch64-linux-gnu-g++ ;;
    python3-pexpect) python3 -c 'import pexpect' ;;
    clang-format-19) command -v clang-format-19 || command -v clang-format ;;
    valgrind) command -v valgrind ;;
    npm) command -v npm ;;
    *) true ;; # further compilers and parts of the ones above
    esac >/dev/null 2>&1
}

elsewhere() {
    missing=''
    for package in $wanted; do
        case " $missing " in *" $package "*) continue ;; esac
        probe "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || exit 0
    echo "Please install what these Debian packages hold, then run the command again:" >&2
    echo " $missing" >&2
    case $(uname -s) in
    Darwin) echo "With Homebrew: brew install meson ninja pkg-config sqlite libarchive python zstd" >&2 ;;
    *) echo "Commonly: clang (or gcc), meson, ninja, pkg-config, sqlite and libarchive headers, python3" >&2 ;;
    esac
    case " $missing " in
    *' apt '* | *' dpkg '*) echo "The root builder needs apt-get and dpkg-deb (both are packaged widely)." >&2 ;;
    esac
    exit 1
}

if command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; then
    on_debian
else
    elsewhere
fi
