"""An agent that uses the servers that it was given: calls each tool of its script.

Arguments: the file with the servers, the file with the script, the file for the answers.
"""

import asyncio
import json
import sys
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(servers: str, script: str, answers: str) -> None:
    entries = json.loads(Path(servers).read_text()).get("mcpServers")
    said = []
    for server, tool, args in json.loads(Path(script).read_text()):
        entry = entries[server]
        async with (
            httpx2.AsyncClient(headers=entry["headers"]) as http,
            Client(streamable_http_client(entry["url"], http_client=http)) as client,
        ):
            result = await client.call_tool(tool, args)
        said.append({"error": result.is_error, "said": json.loads(result.content[0].text)})  # type: ignore[union-attr]
    Path(answers).write_text(json.dumps(said))


asyncio.run(main(*sys.argv[1:]))
