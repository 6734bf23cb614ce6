"""What a sparse checkout leaves out.

In cone mode git removes a folder that it leaves out with all that is ignored in it, whenever its
patterns are applied anew; but only one that has tracked files.
"""

from __future__ import annotations

from abathur.infrastructure.git.place import Placed


class Sparse(Placed):
    async def leaves_out(self, folder: str) -> bool:
        cone = await self._git.run(
            "config", "--type=bool", "--get", "core.sparseCheckoutCone", codes=(0, 1)
        )
        if cone.text.strip() != "true":
            return False
        listed = await self._git.run("sparse-checkout", "list", codes=(0, 128))
        if listed.code != 0 or folder in listed.text.splitlines():
            return False
        tracked = await self._git.run("ls-files", "-z", "--sparse", "--", f":(literal){folder}")
        return bool(tracked.stdout)
