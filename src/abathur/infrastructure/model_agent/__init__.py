"""An agent without a foreign program: asks a model in a loop and lets it use tools.

It is a process of its own, `python -m abathur.infrastructure.model_agent`, that reads a plan from
stdin and tells what happens as lines of JSON. The runtimes `anthropic` and `openai` start it.
"""
