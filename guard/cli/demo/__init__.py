"""`guard demo`: a node, an embedded broker and three callers on this machine, judged before your eyes."""
