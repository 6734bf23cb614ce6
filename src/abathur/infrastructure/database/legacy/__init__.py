"""Opens what older versions wrote: recognises it, converts it on a copy, verifies, swaps it in."""
