"""The data room: readers, named sets, splits, labels, preprocessing. The way in is `open_source`."""

from latentia.data.arrays import ARRAYS, Arrays, ArraySource
from latentia.data.cache import RowFile, cache_folder, clear_cache
from latentia.data.check import CheckReport, check_folder
from latentia.data.dataset import Dataset, Indices, Problem, Store, to_float
from latentia.data.fetch import RemoteFile, fetch, mirror_folder
from latentia.data.files import FileSource
from latentia.data.images import grid, read_picture, write_picture
from latentia.data.labels import LabelTable, attach, encode_labels, read_labels
from latentia.data.named import IdxSet, NamedSet, as_source, fetch_named, list_named, named_sets
from latentia.data.opening import open_source
from latentia.data.order import epoch_order
from latentia.data.preparation import prepare
from latentia.data.preprocessing import ImagePreprocessing, Preprocessing, VectorPreprocessing
from latentia.data.source import Kind, Progress, Source, Survey, choose_preprocessing, choose_split
from latentia.data.splits import holdout, require_trainable

__all__ = [
    "ARRAYS",
    "ArraySource",
    "Arrays",
    "CheckReport",
    "Dataset",
    "FileSource",
    "IdxSet",
    "ImagePreprocessing",
    "Indices",
    "Kind",
    "LabelTable",
    "NamedSet",
    "Preprocessing",
    "Problem",
    "Progress",
    "RemoteFile",
    "RowFile",
    "Source",
    "Store",
    "Survey",
    "VectorPreprocessing",
    "as_source",
    "attach",
    "cache_folder",
    "check_folder",
    "choose_preprocessing",
    "choose_split",
    "clear_cache",
    "encode_labels",
    "epoch_order",
    "fetch",
    "fetch_named",
    "grid",
    "holdout",
    "list_named",
    "mirror_folder",
    "named_sets",
    "open_source",
    "prepare",
    "read_labels",
    "read_picture",
    "require_trainable",
    "to_float",
    "write_picture",
]
