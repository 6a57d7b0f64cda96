"""One file a provider of models: each turns a name into a spec that loads."""
