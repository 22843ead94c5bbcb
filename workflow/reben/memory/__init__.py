"""What a build remembers, with its results: what each job was made from, and who builds.

``sources`` tells whether an input from outside is what it was; ``record`` is what a job was made
from; ``recording`` writes it as the step runs; ``plan`` compares it with what is wanted now;
``ownership`` says which folders the build may delete, ``lock`` who is building.
"""
