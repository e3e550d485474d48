"""The data room: readers, named sets, splits, labels, preprocessing. The way in is `open_source`."""

from latentia.data.arrays import ARRAYS, Arrays, ArraySource
from latentia.data.audio import (
    AudioHeader,
    read_audio_header,
    read_recording,
    resample,
    stream_recording,
    write_recording,
)
from latentia.data.cache import RowFile, cache_folder, clear_cache
from latentia.data.canvas import Box, Canvas, from_channels, to_channels
from latentia.data.check import CheckReport, FolderReport, SpeechReport, check_folder
from latentia.data.clip_source import ClipSource
from latentia.data.clips import Clips
from latentia.data.dataset import Dataset, Indices, Problem, Store, to_float
from latentia.data.fetch import RemoteFile, fetch, mirror_folder, other_content
from latentia.data.files import FileSource
from latentia.data.frontend import Feature, FrontEnd
from latentia.data.fsdd import Fsdd
from latentia.data.images import DEEP, further_frames, grid, is_jpeg, read_picture, write_picture
from latentia.data.labels import LabelTable, attach, encode_labels, keep_few, read_labels
from latentia.data.mask_files import read_mask
from latentia.data.masks import MASKS, Mask, build_masks, give, spoil
from latentia.data.named import ClipSet, IdxSet, NamedSet, as_source, fetch_named, list_named, named_sets
from latentia.data.opening import open_for, open_source
from latentia.data.order import epoch_batches, epoch_order, epoch_steps
from latentia.data.perturb import PictureChanges, both_ways, perturb_pictures, perturb_speed
from latentia.data.preparation import prepare
from latentia.data.preprocessing import ImagePreprocessing, Preprocessing, VectorPreprocessing
from latentia.data.ragged import Ragged, RaggedFile
from latentia.data.source import (
    NOUNS,
    FileKind,
    Kind,
    Progress,
    Source,
    SpeechSurvey,
    Survey,
    choose_preprocessing,
    choose_split,
    require_kind,
)
from latentia.data.speech import SpeechPreprocessing, dc_offset, level_gain
from latentia.data.splits import holdout, require_trainable, spread
from latentia.data.spoken import SpokenDigits

__all__ = [
    "ARRAYS",
    "DEEP",
    "MASKS",
    "NOUNS",
    "ArraySource",
    "Arrays",
    "AudioHeader",
    "Box",
    "Canvas",
    "CheckReport",
    "ClipSet",
    "ClipSource",
    "Clips",
    "Dataset",
    "Feature",
    "FileKind",
    "FileSource",
    "FolderReport",
    "FrontEnd",
    "Fsdd",
    "IdxSet",
    "ImagePreprocessing",
    "Indices",
    "Kind",
    "LabelTable",
    "Mask",
    "NamedSet",
    "PictureChanges",
    "Preprocessing",
    "Problem",
    "Progress",
    "Ragged",
    "RaggedFile",
    "RemoteFile",
    "RowFile",
    "Source",
    "SpeechPreprocessing",
    "SpeechReport",
    "SpeechSurvey",
    "SpokenDigits",
    "Store",
    "Survey",
    "VectorPreprocessing",
    "as_source",
    "attach",
    "both_ways",
    "build_masks",
    "cache_folder",
    "check_folder",
    "choose_preprocessing",
    "choose_split",
    "clear_cache",
    "dc_offset",
    "encode_labels",
    "epoch_batches",
    "epoch_order",
    "epoch_steps",
    "fetch",
    "fetch_named",
    "from_channels",
    "further_frames",
    "give",
    "grid",
    "holdout",
    "is_jpeg",
    "keep_few",
    "level_gain",
    "list_named",
    "mirror_folder",
    "named_sets",
    "open_for",
    "open_source",
    "other_content",
    "perturb_pictures",
    "perturb_speed",
    "prepare",
    "read_audio_header",
    "read_labels",
    "read_mask",
    "read_picture",
    "read_recording",
    "require_kind",
    "require_trainable",
    "resample",
    "spoil",
    "spread",
    "stream_recording",
    "to_channels",
    "to_float",
    "write_picture",
    "write_recording",
]
