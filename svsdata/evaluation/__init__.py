"""Measures of generated video and the page that reports them."""
