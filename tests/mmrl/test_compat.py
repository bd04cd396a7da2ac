"""torchvision's models import, whether or not its compiled part fits the installed torch."""

import subprocess
import sys

from mmrl.compat import import_torchvision, import_transformers

SCRIPT = """
import mmrl.models.encoders.image as image
assert image.small_resnet((16, 16), width=8).shape.grid == (2, 2)
import torchvision
from torchvision.models.resnet import BasicBlock
from torchvision.transforms.v2 import Resize
from mmrl.compat import import_torchvision
assert import_torchvision() is torchvision
print(BasicBlock.__name__)
"""


def test_fresh_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "BasicBlock"


def test_transformers_beside_it():
    torchvision = import_torchvision()
    assert import_transformers().BertModel.__name__ == "BertModel"
    assert import_torchvision() is torchvision
