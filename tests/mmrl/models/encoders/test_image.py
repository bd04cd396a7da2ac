"""Images become a grid of tokens; weights come from torch's cache."""

import pytest
import torch
from torch.testing import assert_close

from mmrl.compat import import_torchvision
from mmrl.errors import UserError
from mmrl.models.encoders.image import build_image_encoder, small_resnet
from mmrl.models.encoders.image_base import ImageEncoder
from mmrl.models.encoders.layers import PatchBody, PatchEmbedding
from mmrl.models.tokens import TokensShape
from mmrl.preprocessing.image import ImageNormalizer

SIZE = (16, 24)


def random_images(rows=2, size=SIZE):
    return torch.randint(0, 256, (rows, *size, 3), dtype=torch.uint8)


@pytest.fixture
def hub(tmp_path):
    """An empty cache for weights, in place of the user's."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    yield tmp_path / "checkpoints"
    torch.hub.set_dir(before)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network here")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


def test_small_resnet_is_made_of_torchvisions_blocks():
    block = import_torchvision().models.resnet.BasicBlock
    encoder = small_resnet(SIZE, width=8, blocks=3)
    assert sum(isinstance(module, block) for module in encoder.modules()) == 3


@pytest.mark.parametrize(("patch", "grid"), [(8, (2, 3)), (4, (4, 6))])
def test_a_token_a_patch(patch, grid):
    encoder = build_image_encoder("small_resnet", SIZE, width=8, patch=patch)
    tokens = encoder(random_images())
    assert encoder.shape == TokensShape(8, grid)
    assert tokens.grid == grid
    assert tokens.values.shape == (2, grid[0] * grid[1], 8)
    assert tokens.values.dtype == torch.float32
    assert tokens.mask.shape == (2, grid[0] * grid[1])
    assert tokens.mask.all()


def test_tokens_lie_where_their_patch_does():
    encoder = small_resnet((16, 16), width=8, blocks=0)
    images = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
    changed = images.clone()
    changed[:, 8:, :8] = 255  # lower left
    differs = (encoder(images).values != encoder(changed).values).any(dim=2)[0]
    assert differs.tolist() == [False, False, True, False]


def test_images_do_not_influence_each_other():
    encoder = small_resnet(SIZE, width=8).train()
    images = random_images(3)
    alone = torch.cat([encoder(images[k : k + 1]).values for k in range(3)])
    assert_close(encoder(images).values, alone, rtol=1e-4, atol=1e-5)


def test_resnet18_by_name():
    encoder = build_image_encoder("resnet18", (64, 32)).eval()
    tokens = encoder(random_images(2, (64, 32)))
    assert encoder.shape == TokensShape(512, (2, 1))
    assert tokens.values.shape == (2, 2, 512)
    blocks = import_torchvision().models.resnet.BasicBlock
    assert sum(isinstance(module, blocks) for module in encoder.modules()) == 8


def test_building_leaves_running_statistics_alone():
    encoder = build_image_encoder("resnet18", (32, 32))
    norms = [m for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert all(norm.num_batches_tracked == 0 and norm.training for norm in norms)


def test_weights_from_the_cache(hub, no_network, published):
    saved = import_torchvision().models.resnet18().state_dict()
    published(hub, saved)
    encoder = build_image_encoder("resnet18", (32, 32), weights="IMAGENET1K_V1").eval()
    assert_close(encoder.body[0].weight.detach(), saved["conv1.weight"])
    assert_close(encoder.body[7][1].conv2.weight.detach(), saved["layer4.1.conv2.weight"])
    mean = torch.tensor([[[[124]], [[116]], [[104]]]], dtype=torch.uint8).expand(1, 3, 32, 32)
    assert encoder.normalizer(mean).abs().max() < 0.02  # ImageNet's own normalisation


def test_weights_out_of_reach(hub, no_network):
    with pytest.raises(UserError, match=r"IMAGENET1K_V1.*no network.*checkpoints"):
        build_image_encoder("resnet18", (32, 32), weights="IMAGENET1K_V1")


@pytest.mark.parametrize("content", [b"no checkpoint", b""])
def test_another_file_in_the_cache(hub, no_network, content):
    (hub / "resnet18-f37072fd.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"resnet18-f37072fd.pth is not the file .* not f37072fd"):
        build_image_encoder("resnet18", (32, 32), weights="IMAGENET1K_V1")


@pytest.mark.parametrize("content", [b"no checkpoint", b"", {"conv1.weight": torch.zeros(1)}])
def test_broken_weights_file(hub, no_network, published, content):
    published(hub, content)
    with pytest.raises(UserError, match="cannot be loaded"):
        build_image_encoder("resnet18", (32, 32), weights="IMAGENET1K_V1")


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("hash_fits", [False, True])
def test_weights_run_no_code(hub, no_network, published, tmp_path, hash_fits):
    proof, mark = tmp_path / "proof", tmp_path / "mark"
    torch.save(Payload(proof), tmp_path / "proof.pth")
    torch.load(tmp_path / "proof.pth", weights_only=False)
    assert proof.exists()
    if hash_fits:
        published(hub, Payload(mark))
    else:
        torch.save(Payload(mark), hub / "resnet18-f37072fd.pth")
    with pytest.raises(UserError, match=r"resnet18-.*\.pth is not the file|cannot be loaded"):
        build_image_encoder("resnet18", (32, 32), weights="IMAGENET1K_V1")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "weights", "word"),
    [
        ("resnet81", None, "resnet18"),
        ("small-resnet", None, "small_resnet"),
        ("fcn_resnet50", None, "resnet50"),  # no classifier of images
        ("resnet18", "IMAGENET1K_V7", "IMAGENET1K_V7"),
        ("small_resnet", "IMAGENET1K_V1", "no pretrained weights"),
    ],
)
def test_unknown_names(hub, no_network, name, weights, word):
    with pytest.raises(UserError, match=word):
        build_image_encoder(name, (32, 32), weights=weights)


def test_images_of_another_size():
    with pytest.raises(ValueError, match=r"\[24, 16\].*\[16, 24\]"):
        small_resnet(SIZE, width=8)(random_images(size=(24, 16)))


def test_images_of_another_type():
    with pytest.raises(ValueError, match=r"must be uint8.*float32"):
        small_resnet(SIZE, width=8)(random_images() / 255)


def test_the_order_of_axes_is_decided_when_it_is_built():
    torch.manual_seed(0)
    encoder, images = small_resnet(SIZE, width=8), random_images()
    tokens = encoder(images)
    turned = images.movedim(-1, 1)
    with pytest.raises(ValueError, match=r"must be uint8 \[B, H, W, 3\]"):
        encoder(turned)
    encoder.take_channels_first()
    assert torch.equal(encoder(turned).values, tokens.values)
    with pytest.raises(ValueError, match=r"must be uint8 \[B, 3, H, W\]"):
        encoder(images)


def test_any_body_will_do():
    encoder = ImageEncoder(ImageNormalizer(), torch.nn.AvgPool2d(8), SIZE)
    images = random_images()
    tokens = encoder(images)
    first = images[:, :8, :8].float().mean((1, 2)) / 127.5 - 1
    assert_close(tokens.values[:, 0], first)


def test_symbols_need_a_small_patch():
    with pytest.raises(UserError, match=r"patch=8 is larger than images of \[7, 7\]"):
        build_image_encoder("small_resnet", (7, 7))
    assert build_image_encoder("small_resnet", (7, 7), patch=1).shape.grid == (7, 7)


@pytest.mark.parametrize("name", ["small_resnet", "nature_cnn", "luma_chroma", "resnet18"])
def test_resizing_is_an_argument(name):
    encoder = build_image_encoder(name, (30, 50), resize=(48, 64))
    assert encoder.normalizer.size == encoder.image_size == (48, 64)
    assert encoder(random_images(2, (30, 50))).values.shape[0] == 2
    assert build_image_encoder(name, (48, 64)).normalizer.size is None


def test_bytes_are_for_bodies_that_declare_it():
    """And not for whatever happens to have an embedding of patches as its first child."""
    patches = PatchEmbedding(4, 8)
    plain = ImageEncoder(ImageNormalizer(), torch.nn.Sequential(patches), SIZE)
    fused = ImageEncoder(ImageNormalizer(), PatchBody(patches), SIZE)
    images = random_images()
    seen = []
    patches.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    assert_close(plain(images).values, fused(images).values, rtol=1e-4, atol=1e-5)
    assert seen == [torch.float32, torch.uint8]
