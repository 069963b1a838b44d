"""One story a stage: composes the library, owns progress, resume and run directories."""
