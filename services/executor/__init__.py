"""Copies signals to followers: plan, dispatch, settle. One process group per broker."""
