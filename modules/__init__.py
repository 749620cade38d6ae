"""Modules: one package per noun; none of them knows another."""
