#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figures of scripts/chaos: reads its rounds (one JSON object a line), prints a table, writes --json. Exit status 1: something
that must hold did not."""
import argparse
import json
import statistics
import sys

# After a partition heals, both may answer until they have heard each other, which may take two heartbeats; more is a failure.
HEARD_MS = 100
HEARD_HEARTBEATS = 2


def load(path):
    with open(path) as f:
        return [json.loads(line) for line in f if line.strip()]


def spread(values):
    return {"min": min(values), "median": round(statistics.median(values), 1), "max": max(values)}


def lost_of(label, lost):
    return sum(1 for line in lost if line.startswith(label + "."))


def broken(r, lost, heard_ms):
    """What of that which must hold did not hold in this round."""
    must, mail = r["must"], r["mail"]
    dual = [a["dual_ms"] for a in r["arp"]]
    if not r["settled"]:
        yield "the VIPs did not come home"
    if "d" in must and any(dual):
        yield f"two responders for {max(dual)} ms"
    if "c" in must and (dual[0] or dual[1] > heard_ms):
        yield f"two responders for {dual[0]} + {dual[1]} ms"
    if "s" in must and mail["kept"] < mail["opened"]:
        yield f"{mail['opened'] - mail['kept']} sessions lost ({', '.join(mail['failures'])})"
    if "m" in must and any(p["gap_ms"] for p in r["ping"]):
        yield f"a gap of {max(p['gap_ms'] for p in r['ping'])} ms"
    if "m" in must and (r["transitions"] and r["fault"] != "restart-held" or any(a["changes"] for a in r["arp"])):
        yield "a transition"
    if lost:
        yield f"{lost} messages lost"


def summary(rounds, lost, strict, heard_ms):
    out = {}
    for r in rounds:
        f = out.setdefault(r["fault"], {"fault": r["fault"], "text": r["text"], "rounds": [], "broken": []})
        f["rounds"].append(r)
    for f in out.values():
        rs = f.pop("rounds")
        f["n"] = len(rs)
        f["order"] = rs[0]["order"]
        f["gap_ms"] = spread([r["ping"][0]["gap_ms"] for r in rs])
        f["restore_gap_ms"] = spread([r["ping"][1]["gap_ms"] for r in rs])
        f["dual_ms"] = spread([r["arp"][0]["dual_ms"] for r in rs])
        f["restore_dual_ms"] = spread([r["arp"][1]["dual_ms"] for r in rs])
        f["sessions"] = sum(r["mail"]["opened"] for r in rs)
        f["kept"] = sum(r["mail"]["kept"] for r in rs)
        f["lost"] = sum(lost_of(r["label"], lost) for r in rs)
        f["changes"] = sum(a["changes"] for r in rs for a in r["arp"])
        f["transitions"] = sum(r["transitions"] for r in rs)
        f["stalled_ms"] = max(r["stalled_ms"] for r in rs)
        f["probe_late_ms"] = max(p["late_ms"] for r in rs for p in r["ping"])
        storms = [r for r in rs if r["storm"]]
        if storms:
            f["storm"] = {"sent": sum(r["storm"]["sent"] for r in storms), "refused": sum(r["refused"] for r in storms),
                          "per_second": min(r["storm"]["per_second"] for r in storms)}
        for r in rs:
            stalled = f" (the machine itself stood still for {r['stalled_ms']} ms)" if r["stalled_ms"] else ""
            f["broken"] += [f"{r['label']}: {text}{stalled}" for text in broken(r, lost_of(r["label"], lost), heard_ms) if strict]
    return sorted(out.values(), key=lambda f: f["order"])


def gap(g):
    return f"{g['min']:.0f}/{g['median']:.0f}/{g['max']:.0f}"


COLUMNS = [
    ("fault", 16, lambda f: f["fault"]),
    ("rounds", 6, lambda f: f["n"]),
    ("gap ms", 14, lambda f: gap(f["gap_ms"])),
    ("restored ms", 14, lambda f: gap(f["restore_gap_ms"])),
    ("two ms", 12, lambda f: f"{f['dual_ms']['max']:.0f}+{f['restore_dual_ms']['max']:.0f}"),
    ("kept", 9, lambda f: f"{f['kept']}/{f['sessions']}"),
    ("lost", 4, lambda f: f["lost"]),
    ("changes", 7, lambda f: f["changes"]),
]


def table(faults):
    print("  ".join(f"{name:<{width}}" for name, width, _ in COLUMNS).rstrip())
    for f in faults:
        print("  ".join(f"{str(get(f)):<{width}}" for _, width, get in COLUMNS).rstrip())
    for f in faults:
        if "storm" in f:
            print(f"{f['fault']}: {f['storm']['sent']} frames sent, {f['storm']['per_second']} a second at each node, "
                  f"{f['storm']['refused']} counted as refused")


def beside(postern, other):
    mine = {f["fault"]: f for f in postern}
    print(f"{'fault':<16}  {'gap ms':<32}  {'restored ms':<32}  {'two ms, max':<21}  sessions kept")
    print(f"{'':<16}  {'postern':<15}  {'keepalived':<15}  {'postern':<15}  {'keepalived':<15}  {'postern':<9}  "
          f"{'keepalived':<10}  {'postern':<8}  keepalived")
    for k in other:
        p = mine.get(k["fault"])
        if not p:
            continue
        two = [f"{f['dual_ms']['max']:.0f}+{f['restore_dual_ms']['max']:.0f}" for f in (p, k)]
        print(f"{k['fault']:<16}  {gap(p['gap_ms']):<15}  {gap(k['gap_ms']):<15}  {gap(p['restore_gap_ms']):<15}  "
              f"{gap(k['restore_gap_ms']):<15}  {two[0]:<9}  {two[1]:<10}  {str(p['kept']) + '/' + str(p['sessions']):<8}  "
              f"{k['kept']}/{k['sessions']}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("rounds")
    p.add_argument("--lost", help="accepted Message-Ids that nobody holds")
    p.add_argument("--mail", help="the senders' account, one JSON object a system")
    p.add_argument("--setting", default="{}", help="JSON object that says how it was measured")
    p.add_argument("--json")
    args = p.parse_args()
    rounds = load(args.rounds)
    lost = [line.strip() for line in open(args.lost)] if args.lost else []
    accounts = {a["system"]: a for a in load(args.mail)} if args.mail else {}
    setting = json.loads(args.setting)
    result = {"setting": setting}
    heard_ms = max(HEARD_MS, HEARD_HEARTBEATS * setting.get("heartbeat_ms", 0))
    for system in ("postern", "keepalived"):
        of = [r for r in rounds if r["system"] == system]
        if of:
            result[system] = summary(of, lost, system == "postern", heard_ms)
    of_other = sum(line.startswith("keepalived-") for line in lost)
    result["mail"] = {system: {"sent": a["sent"], "accepted": a["accepted"],
                               "lost": of_other if system == "keepalived" else len(lost) - of_other} for system, a in accounts.items()}
    account = result["mail"].get("postern", {"sent": 0, "accepted": 0, "lost": len(lost) - of_other})
    problems = [text for f in result.get("postern", []) for text in f["broken"]]
    if account["lost"]:
        problems.append(f"{account['lost']} accepted messages are nowhere")
    if account["sent"] != account["accepted"]:
        problems.append(f"{account['sent'] - account['accepted']} messages were never accepted")
    result["broken"] = problems
    if args.json:
        with open(args.json, "w") as f:
            json.dump(result, f, indent=1)
            f.write("\n")
    print("gap: the client's longest silence, min/median/max; restored: the same while the fault is taken away; "
          "two ms: longest time with two\nresponders, fault + restoring; kept: SMTP sessions in the middle of DATA; "
          "changes: of who answers\n")
    for system in ("postern", "keepalived"):
        if system in result:
            print(f"{system}:")
            table(result[system])
            print()
    if "keepalived" in result and "postern" in result:
        beside(result["postern"], result["keepalived"])
        print()
    for system, a in result["mail"].items():
        print(f"{system}: {a['sent']} messages sent, {a['accepted']} accepted, {a['lost']} lost")
    for text in problems:
        print(f"BROKEN  {text}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
