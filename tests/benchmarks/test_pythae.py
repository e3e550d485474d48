"""The peer: its ELBO by our code, the rebuilt network, and its trainer's clock."""

import math
import time

import pytest
import torch
from torch.distributions import Independent, Normal

pytest.importorskip("pythae")

from benchmarks import bounds
from benchmarks.baselines import pythae_nets, pythae_peers, pythae_samplers, pythae_vae
from benchmarks.rebuilt import MatrixConv, MatrixConvTranspose, RebuiltVAE
from latentia.core import Latents


@pytest.fixture(scope="module")
def built():
    return pythae_vae.build(seed=0)


@pytest.fixture
def model(built):
    return pythae_vae.PythaeVAE(built).eval()


@pytest.fixture
def vae(model):
    return model.vae


@pytest.fixture(scope="module")
def pictures():
    return torch.bernoulli(torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0)))


def test_elbo_is_the_textbook_formula(model, vae, pictures):
    distortion, rate = bounds.elbo(model, pictures)
    with torch.no_grad():
        output = vae.encoder(pictures)
        mean, log_variance = output.embedding.double(), output.log_covariance.double()
        torch.manual_seed(bounds.EVALUATION_SEED)
        noise = torch.randn(1, len(pictures), pythae_vae.LATENT_DIM)[0]
        probability = vae.decoder((mean + noise * (0.5 * log_variance).exp()).float()).reconstruction.double()
    ones, zeros = pictures * probability.log(), (1 - pictures) * (1 - probability).log()
    assert distortion == pytest.approx(-(ones + zeros).sum().item() / len(pictures), rel=1e-5)
    kl = 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum().item() / len(pictures)
    assert rate == pytest.approx(kl, rel=1e-5)
    # An untrained decoder says about 1/2 everywhere, which costs ln 2 nats a pixel: nats per image it is.
    assert distortion == pytest.approx(784 * math.log(2), rel=0.1)


def test_our_bound_agrees_with_pythaes_own_loss(model, vae, pictures):
    repeated = pictures.repeat(20, 1, 1, 1)
    distortion, rate = bounds.elbo(model, repeated)
    torch.manual_seed(5)
    with torch.no_grad():
        output = vae({"data": repeated})
    assert rate == pytest.approx(output.reg_loss.item(), rel=1e-4)
    assert distortion == pytest.approx(output.recon_loss.item(), rel=1e-2)


def test_evaluation_leaves_no_trace(model, pictures):
    model.train()
    before = torch.get_rng_state()
    first = bounds.elbo(model, pictures)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert bounds.elbo(model, pictures) == first


def test_more_importance_samples_tighten_the_bound(model, pictures, monkeypatch):
    too_narrow = Normal(torch.zeros(len(pictures), pythae_vae.LATENT_DIM), 0.4)
    monkeypatch.setattr(model, "posterior_of", lambda _: Independent(too_narrow, 1))
    one, many, more = (bounds.importance_nll(model, pictures, n) for n in (1, 16, 256))
    assert one - 1 > many > more + 0.3


def test_the_data_set_binarises_at_every_visit():
    data = pythae_vae.BinarisedAtEachVisit(torch.full((1, 1, 28, 28), 128, dtype=torch.uint8))
    visits = [data[0].data, data[0].data, *(row.data for row in data.__getitems__([0, 0]))]
    assert all(set(visit.unique().tolist()) == {0.0, 1.0} for visit in visits)
    assert len({tuple(visit.flatten().tolist()) for visit in visits}) == len(visits)


def test_its_trainer_runs_on_our_clock():
    pixels = torch.randint(0, 256, (8, 1, 28, 28), dtype=torch.uint8)
    assert pythae_vae.training_speed(pixels, batch_size=4, steps=1, warm_up=1) > 0
    vae, snapshots = pythae_vae.train_for(pixels, seconds=0.0, batch_size=4)
    assert len(snapshots) == 1
    assert snapshots[0][0] > 0
    assert set(snapshots[0][1]) == set(vae.state_dict())


@pytest.mark.parametrize("sampler", pythae_samplers.SAMPLERS)
def test_its_samplers_take_their_settings_and_end_in_time(built, pictures, sampler, monkeypatch):
    monkeypatch.setattr(pythae_samplers, "COMPONENTS", (2, 3))
    settings = pythae_samplers.settings_of(sampler)
    assert len(set(settings)) == len(settings)
    start = time.perf_counter()
    made = pythae_samplers.sampled(built.eval(), settings[-1], pictures, 3, seconds=0.5)
    assert time.perf_counter() - start < 60  # epochs without end would never stop
    assert made.shape == (3, 1, 28, 28)
    assert torch.isfinite(made).all()


def test_its_samplers_take_pictures_without_any_white(built, pictures):
    setting = pythae_samplers.Setting(pythae_samplers.MIXTURE, components=2)
    made = pythae_samplers.sampled(built.eval(), setting, 0.9 * pictures, 2, seconds=0.5)
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_all_of_its_networks_learn_and_are_read_before_their_sigmoid(shape):
    x = torch.rand(8, *shape, generator=torch.Generator().manual_seed(0))
    for name, networks in pythae_nets.networks_for(shape).items():
        vae = pythae_vae.build(0, networks=networks, input_dim=shape)
        before = [weight.clone() for weight in vae.parameters()]
        pixels = (255 * x).round().to(torch.uint8)
        pythae_vae.train(vae, pythae_peers.AsTheyAre(pixels), seconds=0.2, learning_rate=1e-3)
        assert any(not torch.equal(*pair) for pair in zip(before, vae.parameters(), strict=True)), name
        model = pythae_vae.PythaeVAE(vae.eval())
        with torch.no_grad():
            z = torch.randn(2, 3, 16)
            logits = model.decode(Latents(z)).logits
            probability = vae.decoder(z.flatten(0, 1)).reconstruction
        assert logits.sigmoid().flatten() == pytest.approx(probability.flatten(), abs=1e-5), name


def test_its_learning_rate_falls_by_the_clock(monkeypatch):
    rates, step = [], torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *a: (rates.append(self.param_groups[0]["lr"]), step(self, *a))[1]
    )
    pixels = torch.randint(0, 256, (8, 1, 28, 28), dtype=torch.uint8)
    vae = pythae_vae.build(networks=pythae_nets.default)
    pythae_vae.train(vae, pythae_vae.BinarisedAtEachVisit(pixels), seconds=1.0, learning_rate=1e-3)
    assert rates[0] == 1e-3
    assert sorted(rates, reverse=True) == rates
    assert rates[-1] < 1e-5


@pytest.mark.parametrize(("inputs", "size"), [(1, 28), (3, 14), (3, 7), (3, 3)])
def test_matrix_convolution_is_a_convolution(inputs, size):
    rebuilt = MatrixConv(inputs, 5, 4, size)
    plain = torch.nn.Conv2d(inputs, 5, 4, stride=2, padding=1)
    with torch.no_grad():
        plain.weight.copy_(rebuilt.weight.view(5, 4, 4, inputs).permute(0, 3, 1, 2))
        plain.bias.copy_(rebuilt.bias)
    _require_equal(rebuilt, plain, torch.randn(2, inputs, size, size))


@pytest.mark.parametrize(("size", "result"), [(4, 7), (7, 14), (14, 28)])
def test_matrix_transposed_convolution_is_one(size, result):
    rebuilt = MatrixConvTranspose(3, 5, result)
    plain = torch.nn.ConvTranspose2d(3, 5, 3, stride=2, padding=1, output_padding=result - 2 * size + 1)
    with torch.no_grad():
        plain.weight.copy_(rebuilt.weight.view(3, 3, 5, 3).permute(3, 2, 0, 1))
        plain.bias.copy_(rebuilt.bias)
    _require_equal(rebuilt, plain, torch.randn(2, 3, size, size))


def _require_equal(rebuilt, plain, x):
    own, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    result, expected = rebuilt(own.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), plain(theirs)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-4)
    weights = torch.randn_like(expected)
    (result * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(own.grad, theirs.grad, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(rebuilt.bias.grad, plain.bias.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rebuilt.weight.grad.norm(), plain.weight.grad.norm(), atol=1e-4, rtol=1e-4)


def test_the_rebuilt_network_is_pythaes(built, pictures):
    rebuilt = RebuiltVAE()
    assert sum(p.numel() for p in rebuilt.parameters()) == sum(p.numel() for p in built.parameters())
    _copy(built, rebuilt)
    built.train()
    torch.manual_seed(1)
    expected = built({"data": pictures}).loss
    torch.manual_seed(1)
    loss = rebuilt.loss(pictures)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    loss.backward()
    assert all(p.grad.abs().sum() > 0 for name, p in rebuilt.named_parameters() if "weight" in name)


@torch.no_grad()
def _copy(vae, rebuilt):
    for number, block in enumerate(vae.encoder.layers):
        own, weight = rebuilt.encoder[3 * number], block[0].weight
        own.weight.copy_(weight if own.weight.dim() == 4 else weight.permute(0, 2, 3, 1).flatten(1))
        own.bias.copy_(block[0].bias)
    rebuilt.embedding.weight.copy_(torch.cat([vae.encoder.embedding.weight, vae.encoder.log_var.weight]))
    rebuilt.embedding.bias.copy_(torch.cat([vae.encoder.embedding.bias, vae.encoder.log_var.bias]))
    hidden, *blocks = vae.decoder.layers
    rebuilt.decoder[0].weight.copy_(hidden.weight.view(1024, 16, -1).transpose(0, 1).flatten(0, 1))
    rebuilt.decoder[0].bias.copy_(hidden.bias.view(1024, 16).t().flatten())
    for own, block in zip((rebuilt.decoder[2], rebuilt.decoder[5], rebuilt.decoder[8]), blocks, strict=True):
        own.weight.copy_(block[0].weight.permute(2, 3, 1, 0).flatten(0, 2))
        own.bias.copy_(block[0].bias)
