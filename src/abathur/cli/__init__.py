"""The command line: parse, call one use case, show what came of it.

Heavy modules are imported inside commands, so that each pays only for what it uses.
"""
