from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from latentia.data import Dataset, ImagePreprocessing, Preprocessing, VectorPreprocessing
from latentia.errors import DataError


def form(**changes) -> ImagePreprocessing:
    return ImagePreprocessing(**{"height": 8, "width": 8, "channels": 1, **changes})


@settings(deadline=None, max_examples=40)
@given(
    pixels=st.sampled_from([1, 3]).flatmap(
        lambda c: hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(c)))
    )
)
def test_8_bit_pixels_survive_the_way_into_a_batch_and_back(pixels):
    _, height, width, channels = pixels.shape
    prep = ImagePreprocessing(height=height, width=width, channels=channels)
    batch = Dataset(prep.apply_array(pixels)).batch(slice(None))
    assert batch.x.shape[1:] == prep.event_shape
    np.testing.assert_array_equal(prep.to_pictures(batch.x), pixels)


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"]),
    fit=st.sampled_from(["crop", "pad", "stretch"]),
    channels=st.sampled_from([1, 3]),
)
def test_every_size_mode_and_fit_gives_the_form(size, mode, fit, channels):
    prep = ImagePreprocessing(height=12, width=8, channels=channels, fit=fit)
    pixels, observed = prep.apply(Image.new(mode, size))
    assert pixels.shape == prep.row_shape
    assert pixels.dtype == np.uint8
    assert observed is None or (observed.shape == (12, 8) and observed.dtype == np.bool_ and not observed.all())


def test_alpha_below_one_half_is_missing_and_hidden_colours_do_not_leak():
    picture = np.full((8, 8, 4), 200, np.uint8)
    picture[:, :4, 3] = 127
    picture[:, 4:, 3] = 128
    pixels, observed = form(channels=3).apply(Image.fromarray(picture))
    assert observed is not None
    np.testing.assert_array_equal(observed, np.broadcast_to(np.arange(8) >= 4, (8, 8)))
    assert (pixels[~observed] == 0).all()
    assert (pixels[observed] == 200).all()


def test_opaque_alpha_is_nothing_missing():
    assert form(channels=3).apply(Image.new("RGBA", (9, 9), (1, 2, 3, 255)))[1] is None


def test_palette_transparency_is_missing():
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.info["transparency"] = 1
    _, observed = form().apply(picture)
    assert observed is not None
    assert not observed.any()


def test_padding_is_missing_and_cropping_keeps_the_middle():
    picture = Image.new("L", (16, 8), 0)
    picture.paste(250, (4, 0, 12, 8))
    assert (form(fit="crop").apply(picture)[0] == 250).all()
    padded, observed = form(fit="pad").apply(Image.new("L", (16, 8), 90))
    assert observed is not None
    np.testing.assert_array_equal(observed.any(1), [False, False, True, True, True, True, False, False])
    assert (padded[observed] == 90).all()
    stretched, seen = form(fit="stretch").apply(picture)
    assert seen is None
    assert stretched[0, 0, 0] < 20 < 230 < stretched[0, 4, 0]


def test_16_bit_is_scaled_by_its_full_range():
    ramp = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)
    for picture in (Image.fromarray(ramp), Image.fromarray(ramp.astype(np.int32))):
        pixels, _ = form().apply(picture)
        np.testing.assert_array_equal(pixels[..., 0], np.round(ramp / 257.0))


def test_pixel_values_of_an_unknown_range_are_refused():
    with pytest.raises(DataError, match="range cannot be known"):
        form().apply(Image.fromarray(np.full((8, 8), 70000, np.int32)))
    with pytest.raises(DataError, match="range cannot be known"):
        form().apply(Image.fromarray(np.full((8, 8), -1.0, np.float32)))
    with pytest.raises(DataError, match="range cannot be known"):
        form().apply(Image.fromarray(np.full((8, 8), np.nan, np.float32)))


def test_float_pictures_are_read_in_both_usual_ranges():
    assert form().apply(Image.fromarray(np.full((8, 8), 0.2, np.float32)))[0].max() == 51
    assert form().apply(Image.fromarray(np.full((8, 8), 51.0, np.float32)))[0].max() == 51


def test_exif_orientation_is_applied():
    picture = Image.new("L", (8, 8), 0)
    picture.paste(255, (0, 0, 8, 4))  # bright at the top
    picture.getexif()[0x0112] = 6  # to be turned clockwise: bright at the right
    pixels, _ = form().apply(picture)
    assert pixels[:, 4:].min() == 255
    assert pixels[:, :4].max() == 0


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.full((2, 8, 8), 1.5), r"\[0, 1\].*1.5"),
        (np.full((2, 8, 8), -0.1), r"-0.1"),
        (np.full((2, 8, 8), np.nan), "NaN"),
        (np.zeros((2, 8, 8), np.int64), "int64"),
        (np.zeros((2, 3, 8, 8), np.uint8), "channels come last"),
        (np.zeros((2, 8), np.uint8), r"\(N, H, W\)"),
    ],
)
def test_wrong_arrays_are_explained(images, words):
    with pytest.raises(DataError, match=words):
        form().apply_array(images)


def test_arrays_of_another_size_or_colour_are_converted():
    assert form().apply_array(np.zeros((2, 16, 12), np.uint8)).shape == (2, 8, 8, 1)
    assert form(channels=3).apply_array(np.full((2, 8, 8), 7, np.uint8)).tolist() == np.full((2, 8, 8, 3), 7).tolist()
    assert form().apply_array(np.full((1, 8, 8, 3), 1.0)).min() == 255
    assert form().apply_array(np.ones((1, 8, 8), np.bool_)).min() == 255
    assert form().apply_array(np.zeros((0, 8, 8))).shape == (0, 8, 8, 1)


def test_alpha_of_arrays_is_what_was_not_seen():
    images = np.full((2, 8, 8, 4), 255, np.uint8)
    images[1, 0, 0, 3] = 0
    _, observed = form().fit_array(images)
    assert observed is not None
    assert np.argwhere(~observed).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 8, 8, 3), (2, 8, 8, 4), (2, 16, 16)])
def test_nan_is_what_was_not_seen(shape):
    images = np.full(shape, 0.8)
    images[1, : shape[1] // 2, : shape[2] // 2] = np.nan
    rows, observed = form().fit_array(images)
    assert np.argwhere(~observed).tolist() == [[1, row, column] for row in range(4) for column in range(4)]
    assert abs(rows[observed].astype(int) - 204).max() <= 3  # alpha has 8 bits too
    assert (rows[~observed] == 0).all()


def test_pictures_from_a_batch_refuse_nan_and_other_shapes():
    with pytest.raises(DataError, match="NaN"):
        form().to_pictures(torch.full((1, 1, 8, 8), torch.nan))
    with pytest.raises(DataError, match="shape"):
        form().to_pictures(torch.zeros(1, 3, 8, 8))
    assert form().to_pictures(torch.full((1, 1, 8, 8), 1.2)).max() == 255


def test_binarisation():
    x = torch.full((50, 1, 8, 8), 0.25)
    draw = form(binarize="dynamic").binarise(x, torch.Generator().manual_seed(1))
    again = form(binarize="dynamic").binarise(x, torch.Generator().manual_seed(1))
    assert torch.equal(draw, again)
    assert set(draw.unique().tolist()) == {0.0, 1.0}
    assert abs(draw.mean().item() - 0.25) < 0.03
    assert form(binarize="threshold").binarise(torch.tensor([0.49, 0.5])).tolist() == [0.0, 1.0]
    assert form().binarise(x) is x


@pytest.mark.parametrize("prep", [form(fit="pad", binarize="dynamic"), VectorPreprocessing(mean=(0.5,), scale=(2.0,))])
def test_configuration_survives_json_and_is_described(prep):
    adapter = TypeAdapter(Preprocessing)
    assert adapter.validate_json(prep.model_dump_json()) == prep
    assert prep.describe().endswith(".")
    with pytest.raises(ValidationError):
        adapter.validate_python({**prep.model_dump(), "surprise": 1})


@settings(deadline=None, max_examples=50)
@given(
    x=hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 20), st.integers(1, 5)),
        elements=st.floats(-1e4, 1e4, allow_nan=False, width=32),
    )
)
def test_vectors_are_standardised_and_brought_back(x):
    prep = VectorPreprocessing.fit(x)
    assert prep.event_shape == (x.shape[1],)
    z = prep.apply(x)
    assert np.abs(z.mean(0)).max() < 1e-2
    np.testing.assert_allclose(prep.invert(z), x, atol=1e-5 * (1 + np.abs(x).max()))
    assert all(scale > 0 for scale in prep.scale)


def test_log_volume_relates_the_densities():
    prep = VectorPreprocessing(mean=(1.0, 2.0), scale=(2.0, 4.0))
    x = torch.tensor([[3.0, -1.0]], dtype=torch.float64)
    normal = torch.distributions.Normal(torch.tensor(prep.mean), torch.tensor(prep.scale))
    standard = torch.distributions.Normal(0.0, 1.0)
    z = torch.from_numpy(prep.apply(x.numpy()))
    density = standard.log_prob(z).sum() - prep.log_volume
    assert density.item() == pytest.approx(normal.log_prob(x).sum().item(), abs=1e-5)


def test_wrong_vectors_are_explained():
    prep = VectorPreprocessing(mean=(0.0, 0.0), scale=(1.0, 1.0))
    with pytest.raises(DataError, match="3 features, but the model takes 2"):
        prep.apply(np.zeros((1, 3)))
    with pytest.raises(DataError, match="first in row 1"):
        prep.apply(np.array([[0.0, 0.0], [np.inf, 0.0]]))
    with pytest.raises(DataError, match="shape"):
        VectorPreprocessing.fit(np.zeros((0, 2)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": [0.0], "scale": [0.0]},
        {"mean": [0.0], "scale": [float("nan")]},
        {"mean": [float("inf")], "scale": [1.0]},
        {"mean": [0.0, 1.0], "scale": [1.0]},
    ],
)
def test_vectors_are_never_divided_by_nothing(wrong):
    with pytest.raises(ValidationError):
        VectorPreprocessing(**wrong)


def test_vectors_too_large_for_the_model_are_refused():
    with pytest.raises(DataError, match="too large"):
        VectorPreprocessing.fit(np.array([[1e300], [-1e300]]))
    with pytest.raises(DataError, match="too large"):
        VectorPreprocessing(mean=(0.0,), scale=(1.0,)).apply(np.array([[1e200]]))


@pytest.mark.parametrize(
    ("mode", "values"), [("F", [0.2, 1.003]), ("I", [0, 200]), ("F", [-0.1, 0.5]), ("I", [0, 70_000])]
)
def test_a_range_that_may_be_meant_in_two_ways_is_refused(mode, values):
    pixels = np.array([values] * 4, np.float32 if mode == "F" else np.int32)
    with pytest.raises(DataError, match="range cannot be known"):
        form().apply(Image.fromarray(pixels, mode))


def test_a_transparent_colour_of_16_bits_is_not_seen():
    pixels = np.full((8, 8), 30_000, np.uint16)
    pixels[:4] = 7
    picture = Image.fromarray(pixels)
    picture.info["transparency"] = 7
    _, seen = form().apply(picture)
    assert seen[4:].all()
    assert not seen[:4].any()


def test_sixteen_bits_are_scaled_as_those_of_files():
    values = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(1, 8, 8)
    expected, _ = form().apply(Image.fromarray(values[0]))
    np.testing.assert_array_equal(form().apply_array(values)[0], expected)
    assert form().apply_array(np.full((1, 8, 8), 65535, np.uint16)).min() == 255
    assert np.array_equal(form().apply_array(values.astype(">u2")), form().apply_array(values))
    with pytest.raises(DataError, match="divide by the value of white"):
        form().apply_array(values.astype(np.int32))


def test_an_array_in_which_nothing_can_be_seen_is_refused():
    images = np.full((3, 8, 8, 4), 255, np.uint8)
    images[1, ..., 3] = 0
    with pytest.raises(DataError, match="Picture 6 cannot be used: It is transparent"):
        form().fit_array(images, first=5)
