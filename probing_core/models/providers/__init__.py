"""Where models come from: a file with `PREFIXES` turns names into specs that load; the others make our baselines, and
specs of functions, modules and arrays."""
