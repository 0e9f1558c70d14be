"""Encoder models as OpenVINO graphs, from their own files and without torch.

A folder is read into a `source.Source` (config and weights), `architectures` says how an architecture names and shapes
what it has, `encoder` reads such a description into a graph, `modules` and `head` add what turns token states into
vectors or scores. `build` is the door. What is not known here is an `Unbuildable`, never a guess.
"""
