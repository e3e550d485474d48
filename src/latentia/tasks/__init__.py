"""Tasks: functions of a trained model, one file each. They write no files; results are functions of their seeds."""

from latentia.tasks.along import way_along
from latentia.tasks.attributes import Attribute, attribute, change
from latentia.tasks.classify import class_probabilities
from latentia.tasks.complete import Completions, complete, default_steps, expect
from latentia.tasks.encode import Encoding, encode, encode_batches
from latentia.tasks.generate import generate, prior_latents
from latentia.tasks.inpaint import Inpainting, inpaint
from latentia.tasks.interpolate import Way, interpolate, way_between
from latentia.tasks.labels import known_classes, one_hot
from latentia.tasks.neighbours import Neighbours, neighbours
from latentia.tasks.reconstruct import Reconstruction, reconstruct
from latentia.tasks.restore import Restoration, restore
from latentia.tasks.sound import joined, sound, sound_of_files
from latentia.tasks.traverse import Traversal, encode_own_samples, traverse
from latentia.tasks.walk import decode_means, present

__all__ = [
    "Attribute",
    "Completions",
    "Encoding",
    "Inpainting",
    "Neighbours",
    "Reconstruction",
    "Restoration",
    "Traversal",
    "Way",
    "attribute",
    "change",
    "class_probabilities",
    "complete",
    "decode_means",
    "default_steps",
    "encode",
    "encode_batches",
    "encode_own_samples",
    "expect",
    "generate",
    "inpaint",
    "interpolate",
    "joined",
    "known_classes",
    "neighbours",
    "one_hot",
    "present",
    "prior_latents",
    "reconstruct",
    "restore",
    "sound",
    "sound_of_files",
    "traverse",
    "way_along",
    "way_between",
]
