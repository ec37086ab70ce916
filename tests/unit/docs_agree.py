#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the documents quote is what the program says: docs_agree.py POSTERN SOURCE [POSTERN.CONF.5]

- messages in the table "you read" of docs/operations.md are in the sources, word for word ("..." stands for what differs);
- metrics and counters that docs/operations.md and the alerts name are there;
- blocks marked ```postern.conf are taken by postern check without a word;
- `postern NOUN VERB` in the documents are commands;
- the packages to build with are those that the scripts install;
- keys and words of the configuration that docs/from-keepalived.md names in its tables are in the schema;
- postern.conf(5), which is made from the schema, has every key and no gap;
- links between the documents lead somewhere.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

postern = os.path.realpath(sys.argv[1])
source = Path(sys.argv[2])
bad = []


def read(path):
    return (source / path).read_text(encoding="utf-8")


def literals():
    """All string literals of the C sources, those in a row joined as the compiler does."""
    texts = []
    for folder in ("controlplane", "dataplane", "common"):
        for path in sorted((source / folder).rglob("*.[ch]")):
            text = path.read_text(encoding="utf-8")
            text = re.sub(r'"\s*(PRI\w+)\s*"', "%", text)
            for run in re.findall(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+', text):
                texts.append("".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', run)))
    return "\n".join(texts)


def rows(text, first):
    """Rows of the tables whose header's first cell is that, split into cells."""
    inside = False
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")] if line.startswith("|") else None
        if cells is None:
            inside = False
        elif cells[0] == first:
            inside = True
        elif inside and not cells[0].startswith("---"):
            yield cells


def messages():
    known = literals()
    found = 0
    for cells in rows(read("docs/operations.md"), "you read"):
        for message in re.findall(r"`([^`]+)`", cells[0]):
            found += 1
            for piece in message.split("..."):
                piece = piece.strip(" ()")
                # Next to what differs there may be another word of the format: whole words count.
                if len(piece) > 2 and piece not in known:
                    bad.append(f"operations.md: no source says \"{piece}\" (of \"{message}\")")
    if found < 40:
        bad.append(f"operations.md: only {found} messages in the table \"you read\"")


def names():
    text = read("docs/operations.md")
    alerts = read("etc/examples/prometheus-alerts.yml")
    metrics = "".join(p.read_text() for p in (source / "controlplane/metrics").glob("*.[ch]"))
    counters = read("include/postern/counters.h").lower()
    for metric in set(re.findall(r"`(postern_[a-z0-9_]+)", text)):
        if f'"{metric}"' not in metrics:
            bad.append(f"operations.md: no metric {metric}")
    for metric in set(re.findall(r"\b(postern_[a-z0-9_]+)", alerts)):
        if f'"{metric}"' not in metrics:
            bad.append(f"prometheus-alerts.yml: no metric {metric}")
    for cells in rows(text, "metric"):
        for metric in re.findall(r"`(postern_[a-z0-9_]+)", cells[0]):
            if metric not in alerts:
                bad.append(f"prometheus-alerts.yml: no alert of {metric}, which operations.md asks for")
    for cells in rows(text, "it shows"):
        for counter in re.findall(r"`([a-z_]+)`", cells[0]):
            if not re.search(rf"\b{counter}\b", counters):
                bad.append(f"operations.md: no counter {counter}")


def configurations():
    found = 0
    for path in [source / "README.md", *sorted((source / "docs").glob("*.md"))]:
        for block in re.findall(r"^```postern\.conf\n(.*?)^```", path.read_text(), re.M | re.S):
            found += 1
            with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
                f.write(block)
                f.flush()
                r = subprocess.run([postern, "check", f.name], capture_output=True, text=True, check=False)
            if r.returncode or r.stderr:
                bad.append(f"{path.name}: {r.stderr.strip()}")
    if not found:
        bad.append("no document has a block ```postern.conf")


def commands():
    def ask(*words):
        return subprocess.run([postern, "names", *words], capture_output=True, text=True, check=False).stdout.split()

    nouns = {noun: ask("verb", noun) for noun in ask("command")}
    without_verb = {"status", "watch", "check", "diff", "reload", "explain", "trace", "stats", "log", "version", "help", "report"}
    for path in [source / "README.md", *sorted((source / "docs").glob("*.md"))]:
        for words in re.findall(r"`(?:[a-z0-9]+# )?postern ([a-z][^`]*)`", path.read_text()):
            noun, *rest = words.split()
            if noun not in nouns:
                bad.append(f"{path.name}: there is no `postern {noun}`")
            elif rest and noun not in without_verb and re.fullmatch("[a-z-]+", rest[0]) and rest[0][0] != "-":
                if rest[0] not in nouns[noun]:
                    bad.append(f"{path.name}: postern {noun} cannot {rest[0]}")


def packages():
    script = read("scripts/lib/install.sh")
    build = re.search(r"PN_PACKAGES_BUILD=\((.*?)\)", script, re.S).group(1).split()
    # For tests, fuzzing and the style only, and to fetch the sources.
    other = {"libclang-rt-14-dev", "clang-format", "libcmocka-dev", "git", "ca-certificates"}
    documented = re.search(r"^apt install (.*?)^meson", read("docs/operations.md"), re.M | re.S).group(1)
    for package in set(build) - other - set(documented.replace("\\", " ").split()):
        bad.append(f"operations.md: apt install lacks {package}")


def schema():
    rows_c = "".join(p.read_text() for p in sorted((source / "controlplane/conf").glob("schema*.c")))
    known = set(re.findall(r'(?:ROW\(|\{)"([a-z0-9_-]+)"', rows_c))
    known |= {m + "-high" for m in re.findall(r'MARK\("([a-z-]+)"', rows_c)}
    text = read("docs/from-keepalived.md")
    for first in ("keepalived", "HAProxy"):
        for cells in rows(text, first):
            for quoted in re.findall(r"`([^`]+)`", cells[1]):
                if quoted.startswith("postern"):
                    continue
                for key in re.findall(r"([a-z][a-z0-9-]*) (?:=|\{)", quoted):
                    if key not in known and not re.search(r"priority \{", quoted):
                        bad.append(f"from-keepalived.md: there is no key {key}")


def manual():
    """The manual that is made from the schema: nothing in it that a program forgot."""
    if len(sys.argv) < 4:
        return
    page = Path(sys.argv[3]).read_text(encoding="utf-8")
    for odd in re.findall(r".*\(null\).*|.*[0-9]\.[0-9]{4,}.*", page):
        bad.append(f"postern.conf(5): {odd}")
    for key in re.findall(r'ROW\("([a-z0-9-]+)"', "".join(
            p.read_text() for p in sorted((source / "controlplane/conf").glob("schema*.c")))):
        if key not in page:
            bad.append(f"postern.conf(5): {key} is missing")


def links():
    for path in [source / "README.md", source / "CONTRIBUTING.md", *sorted((source / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                bad.append(f"{path.name}: {target} is not there")


def units():
    for unit in ("postern-dp", "posternd"):
        if "StartLimitIntervalSec=0" not in read(f"systemd/{unit}.service.in"):
            bad.append(f"{unit}.service gives up after some starts, and operations.md says it does not")


for look in (messages, names, configurations, commands, packages, schema, manual, links, units):
    look()
for line in bad:
    print(line, file=sys.stderr)
sys.exit(1 if bad else 0)
