#!/usr/bin/env python3
"""Builds a root filesystem archive from Debian packages, without rights, emulator or chroot.

    tools/rootfs/build.py NAME OUT.tar[.gz|.zst]   NAME: a tier or a lane, see --list

Results are kept in the cache under a key made of everything that goes into them, so building the
same root twice costs one look at the package index. SOURCE_DATE_EPOCH overrides the time stamps,
which are otherwise that of the newest package.
"""
import argparse
import fcntl
import hashlib
import os
import shutil
import sys

import aptfetch
import deb
import dpkgdb
import guestfiles
import merge
import npmfetch
import tiers

LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib"}


def default_cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("ISH_CACHE") or os.path.join(home, "ish")


def builder_digest():
    """Changes whenever the builder itself does. What tiers.py asks for is in the key anyway: a new
    lane leaves the archives of the others as they are."""
    digest = hashlib.sha256()
    here = os.path.dirname(os.path.abspath(__file__))
    for name in sorted(os.listdir(here)):
        if name.endswith(".py") and name != "tiers.py":
            with open(os.path.join(here, name), "rb") as source:
                digest.update(source.read())
    return digest.hexdigest()


def suffix_of(path):
    for suffix in (".tar", ".tar.gz", ".tar.zst"):
        if path.endswith(suffix):
            return suffix
    sys.exit("the result's name must end in .tar, .tar.gz or .tar.zst: " + path)


def write_archive(path, recipe, deb_paths, npm_paths, sources):
    packages = sorted((deb.Package(deb_path) for deb_path in deb_paths), key=lambda item: item.name)
    epoch = recipe.epoch or max(package.built for package in packages)
    links = dict(LINKS)
    if recipe.arch == "amd64":
        links["lib64"] = "usr/lib64"
    root = merge.RootTar(path, epoch, links)
    all_merged = [merge.merge_package(root, package) for package in packages]
    if recipe.database:
        guestfiles.debian(root, packages, sources)
        dpkgdb.write(root, all_merged, recipe.arch)
    else:
        guestfiles.tiny(root, packages)
    for specification, npm_path in zip(recipe.npm, npm_paths):
        npmfetch.add(root, specification, npm_path)
    root.close()
    return len(packages), len(root.seen)


class Recipe:
    """Everything that decides what an archive holds."""

    def __init__(self, name, suite, arch, extra_packages=(), extra_npm=(), epoch=None):
        self.tier, packages, npm = tiers.compose(name)
        self.database = tiers.TIERS[self.tier].database
        self.name, self.suite, self.arch, self.epoch = name, suite, arch, epoch
        self.packages = list(packages) + list(extra_packages)
        self.npm = list(npm) + list(extra_npm)

    def key(self, debs, suffix, sources):
        parts = [builder_digest(), self.tier, str(self.database), self.suite, self.arch,
                 str(self.epoch), suffix, sources]
        parts += [deb_.sha256 for deb_ in debs] + self.npm
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def resolve(apt, recipe, refresh):
    """Resolves and downloads; an index that no longer matches the archive is fetched anew once."""
    apt.update(force=refresh)
    debs = apt.resolve(recipe.packages)
    try:
        return debs, apt.fetch(recipe.packages, debs)
    except aptfetch.AptError:
        if refresh:
            raise
        return resolve(apt, recipe, refresh=True)


def build(recipe, suffix, cache, mirror=None, refresh=False):
    """Path of the finished archive in the cache, which one builder at a time works on."""
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return build_locked(recipe, suffix, cache, mirror, refresh)


def build_locked(recipe, suffix, cache, mirror, refresh):
    apt = aptfetch.Apt(cache, recipe.suite, recipe.arch, mirror)
    debs, deb_paths = resolve(apt, recipe, refresh)
    sources = aptfetch.sources_text(apt.sources)
    folder = os.path.join(cache, "roots")
    os.makedirs(folder, exist_ok=True)
    stem = "%s-%s-%s-" % (recipe.name, recipe.suite, recipe.arch)
    path = os.path.join(folder, stem + recipe.key(debs, suffix, sources) + suffix)
    if os.path.exists(path):
        return path
    npm_paths = [npmfetch.fetch(cache, specification) for specification in recipe.npm]
    partial = path + ".partial"
    count, paths = write_archive(partial, recipe, deb_paths, npm_paths, sources)
    for old in os.listdir(folder):  # one result of a kind is enough
        if old.startswith(stem) and old.endswith(suffix):
            os.remove(os.path.join(folder, old))
    os.replace(partial, path)
    print("%s: %d packages, %d paths, %.1f MB" % (recipe.name, count, paths,
                                                  os.path.getsize(path) / 1e6), file=sys.stderr)
    return path


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", choices=tiers.root_names())
    parser.add_argument("out", nargs="?", metavar="OUT.tar[.gz|.zst]")
    parser.add_argument("--list", action="store_true", help="name the tiers and lanes")
    parser.add_argument("--suite", default="bookworm", help="Debian release (bookworm, trixie)")
    parser.add_argument("--arch", default="arm64", help="arm64, or amd64 for a native comparison")
    parser.add_argument("--package", action="append", default=[], metavar="NAME", dest="packages")
    parser.add_argument("--npm", action="append", default=[], metavar="NAME@VERSION[#sha512-...]")
    parser.add_argument("--mirror", help="Debian archive to use instead of the host's")
    parser.add_argument("--cache", default=default_cache())
    parser.add_argument("--refresh", action="store_true", help="fetch the package index anew")
    options = parser.parse_args(arguments)
    if not options.list and not options.out:
        parser.error("NAME and OUT are needed")
    return options


def main():
    options = parse(sys.argv[1:])
    if options.list:
        for name in tiers.root_names():
            tier, packages, npm = tiers.compose(name)
            print("%-8s %-5s %s" % (name, tier, " ".join(packages + tuple(
                specification.partition("#")[0] for specification in npm))))
        return
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    suffix = suffix_of(options.out)
    try:
        recipe = Recipe(options.name, options.suite, options.arch, options.packages, options.npm,
                        int(epoch) if epoch else None)
        made = build(recipe, suffix, options.cache, options.mirror, options.refresh)
    except (aptfetch.AptError, npmfetch.NpmError, OSError) as error:
        sys.exit("build.py: %s" % error)
    shutil.copyfile(made, options.out)


if __name__ == "__main__":
    main()
