"""Writes torch-vit.onnx: a plain ViT as someone else would export it, by torch.onnx from PyTorch 1.13, with the weights of vit.safetensors.

Run beside this file: python3 torch-vit.py. The graph gives logits and the last layer's attention; its names, its operator set (14) and its
decomposed LayerNorm and GELU are PyTorch's, none of it is our exporter's.
"""
import json
import math
import struct

import torch
from torch import nn

D, H, DEPTH, CLASSES, PATCH = 24, 3, 2, 3, 4


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            raw = bytearray(data[8 + length + begin : 8 + length + end])
            tensors[name] = torch.frombuffer(raw, dtype=torch.float32).reshape(entry["shape"]).clone()
    return tensors


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(D, 3 * D), nn.Linear(D, D)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, H, D // H).permute(2, 0, 3, 1, 4).unbind(0)
        attention = (q @ k.transpose(-2, -1) / math.sqrt(D // H)).softmax(-1)
        return self.proj((attention @ v).transpose(1, 2).reshape(b, n, D)), attention


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(D, eps=1e-6), Attention()
        self.norm2, self.mlp = nn.LayerNorm(D, eps=1e-6), Mlp()

    def forward(self, x):
        attended, attention = self.attn(self.norm1(x))
        x = x + attended
        return x + self.mlp(self.norm2(x)), attention


class PatchEmbed(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Conv2d(1, D, PATCH, PATCH)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = PatchEmbed()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, D))
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, D))
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.norm, self.head = nn.LayerNorm(D, eps=1e-6), nn.Linear(D, CLASSES)

    def forward(self, x):
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x, attention = block(x)
        return self.head(self.norm(x)[:, 0]), attention


golden = read("vit.safetensors")
model = Vit().eval()
model.load_state_dict({name[len("weight.") :]: value for name, value in golden.items() if name.startswith("weight.")})
torch.onnx.export(
    model,
    golden["input"],
    "torch-vit.onnx",
    opset_version=14,
    input_names=["input"],
    output_names=["output", "attention"],
    dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}, "attention": {0: "batch"}},
)
