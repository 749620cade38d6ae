"""Measurements: what a hold, an availability request, a saga and a start cost beside the least that they could."""
