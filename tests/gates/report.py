"""The Markdown report of a gate, and its lines on the terminal."""
import collections


def escape(text):
    return text.replace("|", "\\|").replace("\n", " ")


def totals(results):
    count = collections.Counter(result.state for result in results)
    text = "%d passed, %d failed" % (count["pass"], count["fail"])
    return text + (", %d unsupported" % count["unsupported"] if count["unsupported"] else "")


def fenced(title, text, lines=40):
    shown = text.rstrip("\n").split("\n")
    cut = ["(%d lines before)" % (len(shown) - lines)] if len(shown) > lines else []
    body = "\n".join(cut + shown[-lines:]).replace("```", "` ` `")
    return "%s:\n\n```\n%s\n```\n" % (title, body) if text.strip() else ""


def figures(result):
    """Wall and CPU seconds, those of the run compared with, and how many times as many ours are."""
    run, other = result.run, result.other
    ours = ["%.2f" % run.seconds, "%.2f" % run.cpu] if run else ["", ""]
    if not (run and other):
        return ours + ["", ""]
    return ours + ["%.2f" % other.cpu, "%.2f" % (run.cpu / other.cpu) if other.cpu else ""]


def markdown(title, facts, results, not_selected):
    out = ["# " + title, "", "**%s**" % totals(results), ""]
    out += ["- %s: %s" % fact for fact in facts]
    if not_selected:
        out.append("- not run, because their root was not given: " + ", ".join(
            "%s (%d rows)" % item for item in sorted(not_selected.items())))
    compared = any(result.other for result in results)
    heads = ["stage", "row", "state", "wall s", "cpu s"]
    heads += ["other's cpu s", "times"] if compared else []
    heads.append("note")
    out += ["", "| %s |" % " | ".join(heads), "|" + "---|" * len(heads)]
    for result in results:
        cells = [result.row.stage, escape(result.row.name), result.state]
        cells += figures(result)[:len(heads) - 4] + [escape(result.reason)]
        out.append("| %s |" % " | ".join(cells))
    failed = [result for result in results if result.state == "fail"]
    if failed:
        out += ["", "## Failures"]
    for result in failed:
        fields = result.row.fields
        out += ["", "### %s" % result.row.name, "", result.reason, "",
                fenced("Command", fields.get("run") or fields.get("exec") or "")]
        if result.run:
            out += [fenced("Standard output", result.run.stdout),
                    fenced("Standard error", result.run.stderr), fenced("Log", result.run.log)]
    return "\n".join(out) + "\n"


def terminal_line(result):
    run = result.run
    spent = "%7.2f s" % run.seconds if run else " " * 9
    if result.other:
        spent += "  cpu %s / %s = %s" % tuple(figures(result)[1:])
    return "%-11s %s  %s%s" % (result.state, spent, result.row.name,
                               ": " + result.reason if result.reason else "")


def tap_line(number, result):
    if result.state == "unsupported":
        return "ok %d - %s # SKIP unsupported: %s" % (number, result.row.name, result.reason)
    lines = ["%s %d - %s" % ("ok" if result.state == "pass" else "not ok", number, result.row.name)]
    if result.state == "fail":
        lines.append("# " + result.reason)
        for name in ("stdout", "stderr"):
            text = getattr(result.run, name, "") if result.run else ""
            lines += ["# %s: %s" % (name, line) for line in text.split("\n")[-12:] if line]
    return "\n".join(lines)
