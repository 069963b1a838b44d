"""One frozen record a stage: every choice of a run, with units and defaults; imports no torch."""
