"""Derives the command line's parser tables, help text and manual from tools/options.tbl.

options_gen.py TABLE --header FILE          tables and help text for tools/cli_options.c
options_gen.py TABLE --man TEMPLATE FILE    docs/ish.1
options_gen.py TABLE --check TEMPLATE FILE  fails when FILE is not what --man would write
"""
import re
import sys
import textwrap

HEAD = re.compile(r"^(?:-(\w)|  ) --([a-z-]+)(?:(\[=)([A-Z]+)\]| (\S+))?$")
HELP_COLUMN = 31


class Option:
    def __init__(self, match):
        self.short, self.long, optional, maybe, always = match.groups()
        self.argument = maybe or always
        self.optional = bool(optional)
        self.text = []

    @property
    def identifier(self):
        return "OPT_" + self.long.upper().replace("-", "_")

    def usage(self):
        """As --help shows it."""
        head = ("-%s, " % self.short if self.short else "    ") + "--" + self.long
        if self.optional:
            return head + "[=%s]" % self.argument
        return head + (" " + self.argument if self.argument else "")


def parse(path):
    """A list of headings (str) and options."""
    rows = []
    for number, line in enumerate(open(path), 1):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        match = HEAD.match(line)
        if line.startswith("== "):
            rows.append(line[3:])
        elif match:
            rows.append(Option(match))
        elif line.startswith("    ") and rows and isinstance(rows[-1], Option):
            rows[-1].text.append(line.strip())
        else:
            sys.exit("%s:%d: not understood: %s" % (path, number, line))
    for row in rows:
        if isinstance(row, Option) and not row.text:
            sys.exit("%s: --%s has no help text" % (path, row.long))
    return rows


def options(rows):
    return [row for row in rows if isinstance(row, Option)]


def help_lines(rows):
    lines = []
    for row in rows:
        if isinstance(row, str):
            lines += ["", row + ":"]
            continue
        usage = "  " + row.usage()
        if len(usage) > HELP_COLUMN - 2:
            lines += [usage, " " * HELP_COLUMN + row.text[0]]
        else:
            lines.append(usage.ljust(HELP_COLUMN) + row.text[0])
    return lines


def c_string(line):
    return '    "%s\\n"' % line.replace("\\", "\\\\").replace('"', '\\"')


def header(rows):
    table = options(rows)
    short = "+:"
    for option in table:
        if option.short:
            short += option.short + (":" if option.argument else "")
    out = ["// Generated from tools/options.tbl.", "enum option_id {"]
    for index, option in enumerate(table):
        value = "'%s'" % option.short if option.short else str(256 + index)
        out.append("    %s = %s," % (option.identifier, value))
    out += ["};", "", "// A leading '+' stops at the first non-option, ':' reports what is missing.",
            'static const char short_options[] = "%s";' % short, "",
            "static const struct option long_options[] = {"]
    for option in table:
        kind = "no_argument"
        if option.argument:
            kind = "optional_argument" if option.optional else "required_argument"
        out.append('    {"%s", %s, NULL, %s},' % (option.long, kind, option.identifier))
    out += ["    {NULL, 0, NULL, 0},", "};", "", "static const char option_help[] ="]
    lines = help_lines(rows)
    out += [c_string(line) for line in lines[:-1]] + [c_string(lines[-1]) + ";"]
    return "\n".join(out) + "\n"


def man_item(option):
    flags = ["Fl " + option.short] if option.short else []
    flags.append("Fl -" + option.long)
    item = ".It " + " , ".join(flags)
    if option.optional:
        item += " Ns Op = Ns Ar %s" % option.argument
    elif option.argument:
        item += " Ar " + option.argument
    return item


def man_text(line):
    """Options named in running text, as mdoc wants them."""
    return line if line.startswith(".") else line.replace("\\", "\\e").replace("--", "\\-\\-")


def wrapped(text):
    """Running text in short lines, outside of literal displays."""
    out, literal = [], False
    for line in text.split("\n"):
        literal = (literal or line.startswith(".Bd -literal")) and line != ".Ed"
        keep = literal or not line or line.startswith(".")
        out += [line] if keep else textwrap.wrap(line, 78, break_on_hyphens=False)
    return "\n".join(out)


def man(rows, template):
    out, listing = [], False
    for row in rows:
        if isinstance(row, str):
            if listing:
                out.append(".El")
            out += [".Ss " + row, ".Bl -tag -width Ds"]
            listing = True
        else:
            out.append(man_item(row))
            out += [man_text(line) for line in row.text]
    out.append(".El")
    return wrapped(open(template).read().replace(".Pp\n@OPTIONS@", "\n".join(out)))


def main():
    rows = parse(sys.argv[1])
    if sys.argv[2] == "--header":
        open(sys.argv[3], "w").write(header(rows))
    elif sys.argv[2] == "--man":
        open(sys.argv[4], "w").write(man(rows, sys.argv[3]))
    elif open(sys.argv[4]).read() != man(rows, sys.argv[3]):
        sys.exit("%s is not current; run tools/options_gen.py %s --man %s %s"
                 % (sys.argv[4], sys.argv[1], sys.argv[3], sys.argv[4]))


main()
