#!/usr/bin/env python3
"""Makes roots/NAME for `make run` and the gates: builds the archive, then imports it with fakefsify.

A root that exists is left alone, because it may hold somebody's work. The archive stays in the
cache; `--archive` prints its path, for gates that want a fresh import of their own.
"""
import argparse
import os
import subprocess
import sys

import aptfetch
import build
import npmfetch
import tiers


def archive_of(name, arch):
    stem, suite = tiers.split(name)
    recipe = build.Recipe(stem, suite, arch)
    return build.build(recipe, ".tar.gz" if recipe.tier == "tiny" else ".tar.zst",
                       build.default_cache())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=tiers.all_names(), metavar="NAME")
    parser.add_argument("--build", default="build-arm64-linux", help="where fakefsify is")
    parser.add_argument("--archive", action="store_true", help="only print the archive's path")
    parser.add_argument("--arch", default="arm64", help="of the archive; amd64 for comparisons")
    options = parser.parse_args()
    root = os.path.join("roots", options.name)
    if not options.archive and os.path.exists(root):
        return
    try:
        archive = archive_of(options.name, options.arch)
    except (aptfetch.AptError, npmfetch.NpmError, OSError) as error:
        sys.exit("cannot make the %s root: %s" % (options.name, error))
    if options.archive:
        print(archive)
        return
    importer = os.path.join(options.build, "fakefsify")
    if not os.path.exists(importer):
        sys.exit("%s is not built; the archive is %s" % (importer, archive))
    os.makedirs("roots", exist_ok=True)
    if subprocess.run([importer, archive, root]).returncode:
        sys.exit("importing %s failed" % archive)
    print("made " + root, file=sys.stderr)


if __name__ == "__main__":
    main()
