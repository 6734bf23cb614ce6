"""Small Protocols, owned by those who call them. Adapters meet them; nothing here does anything."""
