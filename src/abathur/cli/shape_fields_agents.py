"""The fields of what the commands about agent types print; see `shape_fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

AGENT_TYPE: Final[Fields] = {
    "name": ("string", "the agent type"),
    "description": ("string", "what it is for; empty when nothing says it"),
    "runtime": ("string", "what runs it"),
    "model": ("string?", "as the runtime is asked for it; null leaves it to the program"),
    "effort": ("string?", "how hard the model is to think"),
    "tools": ("string[]", "what it may use; empty leaves it to the runtime"),
    "denied_tools": ("string[]", "what it must not use"),
    "mcp_servers": ("string[]", "names of the servers that it gets"),
    "timeout": ("integer?", "seconds that a run may take"),
    "max_turns": ("integer?", "how often the model may be asked in a run"),
    "budget": ("number?", "US dollars that a run may cost"),
    "touches": ("string[]", "patterns of the paths that its tasks change"),
    "verify": ("string[]?", "the command that must succeed when it says that it is done"),
    "source": ("string?", "the definition's file; null: only the configuration names it"),
    "version": ("string?", "of that file"),
}

AGENT_TYPE_DETAIL: Final[Fields] = {
    **AGENT_TYPE,
    "system_prompt": ("string", "its instructions"),
    "result_schema": ("object?", "the JSON schema of its result"),
    "settings": ("object", "whatever else is said about it, for its runtime; without `env`"),
}

DEFINITION_CHECK: Final[Fields] = {
    "ok": ("boolean", "true when nothing is wrong"),
    "problems": ("string[]", "as FILE:LINE: KEY: what is wrong"),
}

NEW_DEFINITION: Final[Fields] = {
    "name": ("string", "the agent type"),
    "path": ("string", "the file that was made"),
}

PROMPT: Final[Fields] = {
    "task_id": ("string", "the task"),
    "attempt": ("integer", "the attempt that runs, or else the next one"),
    "agent_type": ("string", "who is told"),
    "runtime": ("string", "what runs it"),
    "target": ("string", "the branch that its work lands on"),
    "system_prompt": ("string", "the instructions of the agent type"),
    "prompt": ("string", "the whole prompt"),
    "own_templates": ("string[]", "files of the project that were used for it"),
}

PROMPT_TEMPLATE: Final[Fields] = {
    "name": ("string", "by which templates include each other"),
    "source": ("string", "the file, or that it is built in"),
    "is_own": ("boolean", "whether it is the project's"),
    "text": ("string", "the template"),
}

TEMPLATE: Final[Fields] = {
    "name": ("string", "by which `init --template` knows it"),
    "version": ("string", "its version"),
    "description": ("string", "what it is for"),
    "files": ("string[]", "what it brings, as paths in the project"),
}

TEMPLATE_STEP: Final[Fields] = {
    "path": ("string", "the file, in the project"),
    "change": (
        "string",
        "add, update, remove, same, keep (yours), merge (changed on both sides, both taken) or "
        "conflict (the same lines changed on both sides, yours kept)",
    ),
}

TEMPLATE_STATUS: Final[Fields] = {
    "name": ("string", "the template"),
    "source": ("string", "where it comes from: a built-in name, a folder or a URL"),
    "ref": ("string?", "the branch or tag of a URL"),
    "installed_version": ("string?", "what the project has taken over"),
    "version": ("string", "what the source has now"),
    "steps": ("TemplateStep[]", "file by file"),
    "left_out": ("string[]", "files of the template that no template may bring"),
}

SHAPES: Final[Mapping[str, Fields]] = {
    "AgentType": AGENT_TYPE,
    "AgentTypeDetail": AGENT_TYPE_DETAIL,
    "DefinitionCheck": DEFINITION_CHECK,
    "NewDefinition": NEW_DEFINITION,
    "Prompt": PROMPT,
    "Template": TEMPLATE,
    "TemplateStep": TEMPLATE_STEP,
    "TemplateStatus": TEMPLATE_STATUS,
    "PromptTemplate": PROMPT_TEMPLATE,
}

COMMAND_SHAPES: Final[Mapping[str, str]] = {
    "agent list": "AgentType[]",
    "agent show": "AgentTypeDetail",
    "agent check": "DefinitionCheck",
    "agent new": "NewDefinition",
    "agent prompt": "Prompt",
    "agent templates": "PromptTemplate[]",
    "template list": "Template[]",
    "template status": "TemplateStatus",
    "template update": "TemplateStatus",
}
