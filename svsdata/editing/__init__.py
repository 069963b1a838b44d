"""Scripted edits of label video in numpy; knows no network."""
