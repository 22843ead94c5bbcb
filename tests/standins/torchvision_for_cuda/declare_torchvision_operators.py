"""Lets torchvision for CUDA be imported beside PyTorch for the CPU, a tenth of the download.

timm imports torchvision, whose compiled part does not load there; models use nothing of it. In CI a
``.pth`` file has every Python of the environment import this module.
"""

import sys
from importlib.metadata import version

_ARGUMENTS = "Tensor dets, Tensor scores, float iou_threshold"
_libraries = []  # kept as long as the process, as the operators are


class _BeforeTorchvision:
    """Declares, without code, the operators that torchvision describes when it is imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "torchvision" and version("torch").endswith("+cpu"):
            sys.meta_path.remove(self)
            from torch.library import Library

            library = Library("torchvision", "DEF")
            for operator in ("nms", "qnms"):
                library.define(f"{operator}({_ARGUMENTS}) -> Tensor")
            _libraries.append(library)


sys.meta_path.insert(0, _BeforeTorchvision())
