"""One contract for every registered part: a new part is covered by registering it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from latentia.config import ModelConfig, Part
from latentia.core import Batch
from latentia.data import MASKS
from latentia.distributions import FRAME_PRIORS, LIKELIHOODS, POSTERIORS, PRIORS
from latentia.distributions.base import diagonal_normal
from latentia.models import MODELS, build_model
from latentia.nets import (
    CONDITIONAL_DECODERS,
    DECODERS,
    ENCODERS,
    LADDER_DECODERS,
    LADDER_ENCODERS,
    SEQUENCE_DECODERS,
    SEQUENCE_ENCODERS,
)
from latentia.objectives import OBJECTIVES, Elbo, log_weights
from latentia.registry import Registry

LATENT = 3
IMAGE = (1, 8, 8)
COLOUR = (3, 8, 8)
VECTOR = (5,)
LENGTHS = (9, 7, 4, 1)
SMALL: dict[str, dict[str, Any]] = {
    "conv-gru": {"width": 16, "blocks": 1, "stride": 4},
    "recurrent": {"width": 6},
    "residual": {"widths": (4, 6), "blocks": (1, 1)},
    "dense": {"width": 8},
    "mixture": {"components": 4},
    "flow": {"transforms": 2, "width": 8},
    "vamp": {"components": 4},
    "discretised-logistic-mixture": {"components": 2},
    "iwae": {"n_samples": 3},
    "unet": {"widths": (4, 6), "blocks": (1, 1), "dense": 6},
}
NETWORKS = {  # encoder and decoder; those of other models are dense
    "sequence": ("conv-gru", "conv-gru"),
    "masked": ("dense", "unet"),
    "ladder": ("residual", "residual"),
}


def small(name: str) -> Part:
    return Part(name=name, **SMALL.get(name, {}))


def shapes_of(likelihood: str) -> list[tuple[int, ...]]:
    cls = LIKELIHOODS.get(likelihood)
    return [IMAGE, COLOUR] if cls.grid or cls.binary else [VECTOR]


def data(likelihood: str, shape: tuple[int, ...], n: int = 4) -> Tensor:
    cls = LIKELIHOODS.get(likelihood)
    if cls.binary:
        return (torch.rand(n, *shape) < 0.3).float()
    if cls.grid:
        return torch.randint(0, 256, (n, *shape)).float() / 255
    return torch.randn(n, *shape).square() if likelihood == "itakura-saito" else torch.randn(n, *shape)


def examples(config: ModelConfig, shape: tuple[int, ...]) -> Batch:
    """Four examples; those of sequence models have different lengths."""
    if config.kind == "masked":  # the first is told nothing
        given = (torch.rand(4, 1, *shape[1:]) < 0.5) & (torch.arange(4) > 0).view(4, 1, 1, 1)
        return Batch(data(config.likelihood.name, shape), given=given)
    if config.kind != "sequence":
        return Batch(data(config.likelihood.name, shape), labels={"label": torch.tensor([2, -1, 0, -1])})
    lengths = torch.tensor(LENGTHS)
    mask = torch.arange(max(LENGTHS)) < lengths[:, None]
    return Batch(data(config.likelihood.name, (max(LENGTHS), *shape)), mask[..., None], lengths)


def every_model() -> list[tuple[ModelConfig, tuple[int, ...]]]:
    cases: list[tuple[ModelConfig, tuple[int, ...]]] = []
    for kind in MODELS:
        encoder, decoder = NETWORKS.get(kind, ("dense", "dense"))
        base = ModelConfig(kind=kind, latent_dim=LATENT, frame_dim=2, encoder=small(encoder), decoder=small(decoder))
        if "label" in MODELS.arguments(kind):
            base = base.model_copy(update={"label": "label", "classes": 3})
        takes = {"sequence": [VECTOR], "ladder": [IMAGE, COLOUR], "masked": [IMAGE, COLOUR]}
        likelihoods = [name for name in LIKELIHOODS if shapes_of(name) == takes.get(kind, shapes_of(name))]
        for name in likelihoods:
            cases += [(base.model_copy(update={"likelihood": small(name)}), s) for s in shapes_of(name)]
        fields: list[tuple[str, Registry[Any]]] = [
            ("posterior", POSTERIORS),
            ("prior", PRIORS),
            ("encoder", MODELS.get(kind).encoders),
            ("decoder", MODELS.get(kind).decoders),
        ]
        if kind == "sequence":
            base, fields = (
                base.model_copy(update={"likelihood": small("gaussian")}),
                [*fields, ("frame_prior", FRAME_PRIORS)],
            )
        if kind == "ladder":
            fields = [*fields, ("group_posterior", POSTERIORS)]
        shape = VECTOR if kind == "sequence" else IMAGE
        for field, registry in fields:
            cases += [(base.model_copy(update={field: small(name)}), shape) for name in registry]
        full = Part(name="mixture", components=2, covariance="full")
        cases.append((base.model_copy(update={"prior": full}), shape))
    return cases


CASES = every_model()
IDS = [
    f"{c.kind}-{c.encoder.name}-{c.decoder.name}-{c.posterior.name}-{c.prior.name}-{c.frame_prior.name}-"
    f"{c.group_posterior.name}-{c.likelihood.name}-{s}"
    for c, s in CASES
]


def build(config: ModelConfig, shape: tuple[int, ...]) -> nn.Module:
    torch.manual_seed(0)
    model = build_model(config, shape)
    model.start_at(examples(config, shape))
    return model


@torch.no_grad()
def disturbed(model: nn.Module) -> nn.Module:
    """Branches that start at zero would hide their first layer from the gradient, and draws from the likelihood."""
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(("config", "shape"), CASES, ids=IDS)
@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_shapes_and_gradients(config: ModelConfig, shape: tuple[int, ...], objective: str) -> None:
    model = disturbed(build(config, shape))
    batch = examples(config, shape)
    chosen = OBJECTIVES.build(objective, SMALL.get(objective, {}))
    terms = chosen(model.infer(batch, chosen.n_samples), batch, step=0)
    for term in (terms.distortion, terms.rate, terms.loss, terms.elbo):
        assert term.shape == (4,)
        assert term.dtype == torch.float32
        assert torch.isfinite(term).all()
    terms.loss.mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("config", "shape"), CASES, ids=IDS)
def test_same_seed_same_result_and_other_seed_another(config: ModelConfig, shape: tuple[int, ...]) -> None:
    batch = examples(config, shape)

    def draw(seed: int) -> Tensor:
        model = disturbed(build(config, shape)).eval()
        torch.manual_seed(seed)
        return log_weights(model.infer(batch, 2), batch)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize(("config", "shape"), CASES, ids=IDS)
def test_save_and_load_gives_equal_outputs(config: ModelConfig, shape: tuple[int, ...], tmp_path: Path) -> None:
    model = build(config, shape).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    again = build_model(ModelConfig.model_validate_json(config.model_dump_json()), shape).eval()
    again.load_state_dict(load_file(tmp_path / "m.safetensors"))
    drawn = model.draw(3)
    assert torch.equal(model.decode(drawn).mean, again.decode(drawn).mean)


@pytest.mark.parametrize(("config", "shape"), CASES, ids=IDS)
def test_hidden_values_do_not_matter(config: ModelConfig, shape: tuple[int, ...]) -> None:
    """Neither to the encoder nor to the likelihood, even if they are NaN."""
    model = build(config, shape).eval()
    whole = examples(config, shape)
    observed = torch.rand(*((4, 1, *shape[1:]) if len(shape) == 3 else whole.x.shape)) < 0.6
    observed = observed if whole.observed is None else observed & whole.observed
    results: list[Tensor] = []
    for filler in (0.0, 1.0, math.nan):
        given = None if whole.given is None else whole.given & observed
        batch = Batch(torch.where(observed, whole.x, torch.tensor(filler)), observed, whole.lengths, given=given)
        torch.manual_seed(0)
        results.append(log_weights(model.infer(batch, 2), batch))
    assert torch.isfinite(results[0]).all()
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize(("config", "shape"), CASES, ids=IDS)
def test_hidden_values_do_not_spoil_gradients(config: ModelConfig, shape: tuple[int, ...]) -> None:
    model = build(config, shape).train()
    whole = examples(config, shape)
    observed = torch.rand(*((4, 1, *shape[1:]) if len(shape) == 3 else whole.x.shape)) < 0.6
    observed = observed if whole.observed is None else observed & whole.observed
    given = None if whole.given is None else whole.given & observed
    batch = Batch(torch.where(observed, whole.x, torch.tensor(math.nan)), observed, whole.lengths, given=given)
    Elbo()(model.infer(batch), batch).loss.sum().backward()
    gradients = [weights.grad for weights in model.parameters() if weights.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def everything() -> list[tuple[Registry[Any], str, dict[str, Any]]]:
    sizes: dict[str, Any] = {
        "event_shape": IMAGE,
        "example_shape": IMAGE,
        "out_shape": IMAGE,
        "latent_dim": LATENT,
        "frame_dim": 2,
        "features": 7,
        "channels": 1,
    }
    registries: list[Registry[Any]] = [ENCODERS, DECODERS, POSTERIORS, PRIORS, LIKELIHOODS, OBJECTIVES]
    registries += [CONDITIONAL_DECODERS, LADDER_ENCODERS, LADDER_DECODERS, MASKS]
    of_sequences: list[Registry[Any]] = [SEQUENCE_ENCODERS, SEQUENCE_DECODERS, FRAME_PRIORS]
    frames = {**sizes, "event_shape": VECTOR, "out_shape": VECTOR}
    return [(registry, name, sizes) for registry in registries for name in registry] + [
        (registry, name, frames) for registry in of_sequences for name in registry
    ]


SEQUENCES = [(config, shape) for config, shape in CASES if config.kind == "sequence"]


@pytest.mark.parametrize(("config", "shape"), SEQUENCES, ids=[i for i in IDS if i.startswith("sequence")])
def test_a_sequence_gives_the_same_alone_and_beside_longer_ones(config: ModelConfig, shape: tuple[int, ...]) -> None:
    """Posterior, decoded mean and likelihood; what lies behind the end, be it NaN, changes nothing."""
    model = build(config, shape).eval()
    together = examples(config, shape)
    assert together.lengths is not None
    with torch.no_grad():
        posterior, latents = model.encode(together)
        decoded = model.decode(latents)
        nats = decoded.log_prob(together.x, together.observed)
        for row, length in enumerate(LENGTHS):
            hidden = torch.full((1, 3, *shape), math.nan)
            x = torch.cat([together.x[row : row + 1, :length], hidden], 1)
            mask = torch.arange(length + 3) < length
            alone = Batch(x, mask[None, :, None], torch.tensor([length]))
            own, own_latents = model.encode(alone)
            own_decoded = model.decode(own_latents)
            assert torch.allclose(own.mean[0], posterior.mean[row], atol=1e-5)
            assert torch.allclose(own_decoded.mean[0, 0, :length], decoded.mean[0, row, :length], atol=1e-5)
            own_nats = own_decoded.log_prob(alone.x, alone.observed)
            assert torch.allclose(own_nats[0], nats[0, row], rtol=1e-5, atol=1e-5)


def test_causal_networks_do_not_look_ahead() -> None:
    encoder = SEQUENCE_ENCODERS.build("conv-gru", {"width": 16, "stride": 2, "causal": True}, event_shape=VECTOR)
    decoder = SEQUENCE_DECODERS.build(
        "conv-gru", {"width": 16, "stride": 2, "causal": True}, latent_dim=LATENT, frame_dim=2, out_shape=VECTOR
    )
    for network in (encoder, decoder):
        for parameter in network.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    lengths, code = torch.tensor([8]), torch.zeros(1, LATENT)
    x, frames = torch.randn(1, 8, *VECTOR, requires_grad=True), torch.randn(1, 4, 2, requires_grad=True)
    encoder(x, lengths)[0][0, 1].sum().backward()
    decoder(code, frames, lengths)[0, 3].sum().backward()
    assert x.grad is not None
    assert frames.grad is not None
    assert x.grad[0, :4].abs().min() > 0
    assert frames.grad[0, :2].abs().sum(1).min() > 0
    assert not x.grad[0, 4:].any()
    assert not frames.grad[0, 2:].any()


@pytest.mark.parametrize(
    ("registry", "name", "sizes"), everything(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_constructor_arguments_are_the_saved_configuration(
    registry: Registry[Any], name: str, sizes: dict[str, Any]
) -> None:
    part = registry.build(name, SMALL.get(name, {}), **sizes)
    assert registry.name_of(part) == name
    arguments = registry.arguments_of(part)
    again = registry.build(name, Part.model_validate_json(Part(name=name, **arguments).model_dump_json()).arguments)
    assert registry.arguments_of(again) == arguments
    assert registry.get(name).__doc__


@pytest.mark.parametrize("name", list(PRIORS))
def test_priors_integrate_to_one(name: str) -> None:
    """By importance sampling from a wide normal distribution in two dimensions."""
    torch.manual_seed(0)
    lazy = PRIORS.build(name, SMALL.get(name, {}), latent_dim=2, example_shape=(2,))
    prior = lazy.given(lambda x: diagonal_normal(2 * x - 1, 0.5 + x))
    wide = torch.distributions.Independent(torch.distributions.Normal(torch.zeros(2), 3 * torch.ones(2)), 1)
    z = wide.sample((200_000,))
    assert (prior.log_prob(z) - wide.log_prob(z)).exp().mean().item() == pytest.approx(1.0, abs=0.03)
    drawn = prior.sample((50_000,))
    assert -prior.log_prob(drawn).mean().item() < 5.0  # its own draws are likely under it
    assert drawn.shape == (50_000, 2)


GRIDS = [name for name in LIKELIHOODS if LIKELIHOODS.get(name).grid]


@pytest.mark.parametrize("spread", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("name", GRIDS)
def test_grid_likelihoods_sum_to_one(name: str, spread: float) -> None:
    """The mass of all 256 levels of a pixel."""
    torch.manual_seed(0)
    likelihood = LIKELIHOODS.build(name, SMALL.get(name, {}), channels=1).eval()
    shape = likelihood.parameter_shape((1, 1, 1))
    distribution = likelihood((spread * torch.randn(1, 1, *shape)).expand(1, 256, *shape))
    levels = torch.arange(256.0).reshape(256, 1, 1, 1) / 255
    assert distribution.log_prob(levels).exp().sum().item() == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_likelihoods_sample_what_they_expect(name: str) -> None:
    torch.manual_seed(0)
    shape = (1, 1, 1) if LIKELIHOODS.get(name).grid or LIKELIHOODS.get(name).binary else (1,)
    likelihood = LIKELIHOODS.build(name, SMALL.get(name, {}), channels=1).eval()
    parameters = 0.3 * torch.randn(1, 1, *likelihood.parameter_shape(shape))
    distribution = likelihood(parameters.expand(1, 20_000, *parameters.shape[2:]))
    sample = distribution.sample()
    assert sample.shape == distribution.mean.shape
    assert sample.mean().item() == pytest.approx(distribution.mean.mean().item(), abs=0.02)
