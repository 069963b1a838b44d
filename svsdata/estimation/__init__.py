"""Segmenters and flow estimators behind protocols."""
