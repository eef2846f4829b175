# SPDX-License-Identifier: Apache-2.0
"""From whippet-perf's JSON to a table: what is derived, what was wanted, what was found."""

import os
import re
import statistics

# Other processes that used more than this, in CPUs, have spoilt the figures.
OTHERS_MAX = 0.1

WANT = re.compile(r"^(\w+)\s*(<=|>=)\s*([\d.]+)$")

UNITS = {"broker_us": "us", "p50_us": "us", "p99_us": "us", "step_bytes": "B", "start_ms": "ms",
         "anonymous_mb": "MB", "resident_mb": "MB", "kept_up": "kept up", "sent_per_s": "sent/s",
         "received_per_s": "received/s"}


def machine():
    """The processor, how many of it, and the kernel."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    uname = os.uname()
    return f"{os.cpu_count()} x {model}, {uname.sysname} {uname.release}"


def memory_mb(pid):
    """What a process has resident, and how much of that is its own."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            word = line.split()
            if word[0] == "Rss:":
                found["resident_mb"] = int(word[1]) * 1024 / 1e6
            elif word[0] == "Anonymous:":
                found["anonymous_mb"] = int(word[1]) * 1024 / 1e6
    return found


def add_derived(result):
    """Adds the metrics that rows ask for and that whippet-perf does not print by that name."""
    if result["sent"]:
        result["kept_up"] = result["received"] / result["sent"]
    if result["steps"]:
        grown = result["anonymous_after"] - result["anonymous_before"]
        result["step_bytes"] = grown / result["steps"]
    for name in ("p50", "p99"):
        if "latency_us" in result:
            result[f"{name}_us"] = result["latency_us"][name]
    return result


def add_journal(result, journal, perf):
    """Adds what a broker says of its journal: messages per sync, bytes written per byte of body
    that was published."""
    size = re.search(r"(?:^| )-s (\d+)", perf)
    if "persistent" in perf and journal.get("published"):
        result["per_sync"] = journal["published"] / journal["batches"]
        if size:
            result["written"] = journal["bytes"] / (journal["published"] * int(size.group(1)))
    return result


def median(results, metric):
    """Over the rounds that have it, or None."""
    values = [r[metric] for r in results if metric in r]
    return statistics.median(values) if values else None


def wants(row):
    """(metric, relation, number) of each wish."""
    found = []
    for text in filter(None, (part.strip() for part in row.get("want", "").split(","))):
        match = WANT.match(text)
        if not match:
            raise ValueError(f"not a wish: {text}")
        found.append((match.group(1), match.group(2), float(match.group(3))))
    return found


def holds(value, relation, number):
    """Whether a measured value is as wanted."""
    return value <= number if relation == "<=" else value >= number


def number(value):
    """Three significant digits where they matter, no more."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def rate(results):
    """What was done per second."""
    for metric in ("received_per_s", "sent_per_s", "steps_per_s"):
        value = median(results, metric)
        if value:
            return f"{value:,.0f}/s"
    return ""


def verdicts(row, results, judged):
    """Each wish with what was found; only the judged broker's are held against it."""
    parts = []
    for metric, relation, wanted in wants(row):
        value = median(results, metric)
        if value is None:
            continue
        unit = UNITS.get(metric, metric)
        mark = "ok" if holds(value, relation, wanted) else "OVER" if relation == "<=" else "UNDER"
        wish = f" ({mark}: {relation} {number(wanted)})" if judged else ""
        parts.append(f"{number(value)} {unit}{wish}")
    for metric, words in (("per_sync", "messages per sync"), ("written", "bytes per byte")):
        value = median(results, metric)
        if value is not None:
            parts.append(f"{number(value)} {words}")
    if parts:
        return "; ".join(parts)
    shown = [(m, median(results, m)) for m in ("broker_us", "p50_us", "p99_us")]
    return "; ".join(f"{m} {number(v)}" for m, v in shown if v is not None)


def spread(results):
    """Least and most of the CPU per message over the rounds."""
    values = [r["broker_us"] for r in results if "broker_us" in r]
    if len(values) < 2:
        return ""
    return f"{number(min(values))}..{number(max(values))}"


def print_table(rows, measured, names):
    """Prints a line per row and broker."""
    head = ("row", "broker", "CPU us", "min..max", "rate", "found (wanted)")
    lines = [head]
    for name, row in rows:
        for broker in names:
            results = measured.get((name, broker))
            if not results:
                lines.append((name, broker, "failed", "", "", ""))
                continue
            lines.append((name, broker, number(median(results, "broker_us")), spread(results),
                          rate(results),
                          verdicts(row, results, broker == "whippet")))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        cells = [cell.rjust(widths[i]) if i in (2, 3, 4) else cell.ljust(widths[i])
                 for i, cell in enumerate(line)]
        print("  ".join(cells).rstrip())
