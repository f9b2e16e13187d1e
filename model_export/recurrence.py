"""Export of GRUs as the ONNX operator. The exporter of torch would unroll a GRU step by step, which takes minutes."""

# torch ships partial types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch
from torch import Tensor, nn

DIRECTIONS = ("", "_reverse")


class OnnxGru(nn.Module):
    """A bidirectional GRU, batch first, as the ONNX operator GRU. It can be traced, but not run."""

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.hidden, self.layers = gru.hidden_size, gru.num_layers
        for layer in range(gru.num_layers):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                both = [_in_onnx_order(getattr(gru, f"{kind}_l{layer}{direction}")) for direction in DIRECTIONS]
                self.register_buffer(f"{kind}{layer}", torch.stack(both).detach())

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(B, T, C) to (B, T, 2 H), and None in place of the last state."""
        x = x.transpose(0, 1)  # (T, B, C)
        for layer in range(self.layers):
            weight_ih, weight_hh, bias_ih, bias_hh = (
                getattr(self, f"{kind}{layer}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            both = torch.onnx.ops.symbolic(
                "GRU",
                (x, weight_ih, weight_hh, torch.cat([bias_ih, bias_hh], dim=1)),
                {"hidden_size": self.hidden, "direction": "bidirectional", "linear_before_reset": 1},
                dtype=x.dtype,
                shape=(x.shape[0], 2, x.shape[1], self.hidden),
            )  # (T, 2, B, H)
            x = both.transpose(1, 2).flatten(2)
        return x.transpose(0, 1), None


def _in_onnx_order(weight: Tensor) -> Tensor:
    """Reorders the gates on the first axis: torch has (reset, update, new), ONNX (update, reset, hidden)."""
    reset, update, new = weight.chunk(3)
    return torch.cat([update, reset, new])
