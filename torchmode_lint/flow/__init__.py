"""From the tree of a file to control-flow graphs of events."""
