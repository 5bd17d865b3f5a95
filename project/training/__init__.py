"""How a run goes: its configuration, its command line, its folder, and what is said and drawn of it."""
