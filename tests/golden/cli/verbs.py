"""verbs: the objects of qsplit and their verbs."""

OBJECTS = {
    "device": ["list", "show", "set"], "layout": ["list", "show", "emit", "check", "decode", "encode"],
    "lease": ["list", "show", "revoke"], "region": ["list"], "rule": ["list", "add", "del"],
    "rss": ["show", "set"], "stats": ["show", "watch"], "queue": ["why", "dump"], "fault": ["inject"],
    "policy": ["reload"], "monitor": [],
}
VERBS = [f"{o} {v}" for o, verbs in OBJECTS.items() for v in verbs] + ["monitor"]
