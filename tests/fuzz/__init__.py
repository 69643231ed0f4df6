"""Frames as they should be, spoiled in every way, sent all the way in.

corpus     frames of both venues: generated ones, and recorded ones when they are there
mutations  what is done to a frame, and to a row of frames
decoders   frame after frame into the decoders: an error of ours or events, nothing else
way_in     whole streams through decoder, door, books and scores, held against a reference
"""
