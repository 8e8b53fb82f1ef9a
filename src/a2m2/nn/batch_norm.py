"""Batch normalisation that never learns statistics."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class FrozenBatchNorm(_BatchNorm):
    """Batch norm of any rank that always uses its running statistics and never updates them.

    Parameters and buffers have the names of the layer it replaces, so state dicts stay interchangeable.
    """

    def train(self, mode: bool = True) -> FrozenBatchNorm:
        """Stay in evaluation mode, whatever ``mode`` says."""
        return super().train(False)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any rank; :class:`torch.nn.BatchNorm2d` and its like would insist on their own."""


def freeze_batch_norm(module: nn.Module, *, affine: bool = False) -> int:
    """Replace every batch norm below ``module`` by a :class:`FrozenBatchNorm` with the same tensors.

    Small data sets overfit otherwise (stated by the paper). Setting ``.eval()`` once is not enough, because
    the next ``.train()`` on any module above undoes it; a layer that refuses to train cannot be undone.

    Args:
        module: changed in place; must not itself be a batch norm.
        affine: also stop the gradients of scale and shift.

    Returns:
        The number of layers replaced.

    Raises:
        ValueError: ``module`` is itself a batch norm, which cannot be replaced from below.
    """
    if isinstance(module, _BatchNorm):
        raise ValueError("expected a module that holds batch norms, got a batch norm; pass its parent")
    num_replaced = 0
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and not isinstance(child, FrozenBatchNorm):
                setattr(parent, name, _frozen(child))
                num_replaced += 1
    if affine:
        for child in module.modules():
            if isinstance(child, FrozenBatchNorm):
                child.requires_grad_(False)
    return num_replaced


def _frozen(layer: _BatchNorm) -> FrozenBatchNorm:
    if layer.running_mean is None:
        raise ValueError("expected batch norms with running statistics, got one that keeps none")
    frozen = FrozenBatchNorm(layer.num_features, eps=layer.eps, momentum=layer.momentum, affine=layer.affine)
    frozen.weight, frozen.bias = layer.weight, layer.bias
    frozen.running_mean, frozen.running_var = layer.running_mean, layer.running_var
    frozen.num_batches_tracked = layer.num_batches_tracked
    return frozen.eval()
