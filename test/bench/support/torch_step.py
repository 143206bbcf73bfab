"""One process of the training bench: the same network and step in eager PyTorch on one thread, a step for every line of input, its milliseconds out."""
import json
import math
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print("absent", error, flush=True)
    sys.exit(0)

torch.set_num_threads(1)
torch.manual_seed(0)
setting = json.loads(sys.argv[1])
net = setting["network"]
batch, width, heads, depth = setting["batch"], net["width"], net["heads"], net["depth"]
patch, overlap, side = net["patchSize"], net["patchOverlap"], net["imageSize"]
tokens, head_width = (side // patch) ** 2 + 1, width // heads
structure = net["dcmm"] or net["sbm"] or {}
weights = {}


def weight(name, *shape, sd=0.02):
    weights[name] = torch.nn.Parameter(torch.randn(*shape) * sd)


def linear(name, inputs, outputs):
    weight(name + ".w", outputs, inputs)
    weights[name + ".b"] = torch.nn.Parameter(torch.zeros(outputs))


def norm(name):
    weights[name + ".w"] = torch.nn.Parameter(torch.ones(width))
    weights[name + ".b"] = torch.nn.Parameter(torch.zeros(width))


window = patch + 2 * overlap
weight("patch.w", width, net["channels"], window, window)
weight("patch.b", width)
weight("class", 1, 1, width)
weight("positions", 1, tokens, width)
for layer in range(depth):
    linear(f"{layer}.qkv", width, 3 * width)
    linear(f"{layer}.proj", width, width)
    linear(f"{layer}.fc1", width, int(width * net["mlpRatio"]))
    linear(f"{layer}.fc2", int(width * net["mlpRatio"]), width)
    norm(f"{layer}.norm1")
    norm(f"{layer}.norm2")
    if layer in net["structuredLayers"]:
        communities = structure["communities"]
        if net["dcmm"]:
            linear(f"{layer}.membership", head_width, communities)
            linear(f"{layer}.degree", head_width, 1)
            weight(f"{layer}.block", 1, heads, communities, communities, sd=1)
            weights[f"{layer}.scale"] = torch.nn.Parameter(torch.tensor(float(structure["initialBiasScale"])))
        else:
            weight(f"{layer}.cluster", heads, communities, head_width, sd=math.sqrt(2 / communities / head_width))
            linear(f"{layer}.cluster1", head_width, head_width)
            linear(f"{layer}.cluster2", head_width, head_width)
norm("norm")
linear("head", width, net["classes"])


def apply_linear(x, name):
    return F.linear(x, weights[name + ".w"], weights[name + ".b"])


def apply_norm(x, name):
    return F.layer_norm(x, (width,), weights[name + ".w"], weights[name + ".b"], net["layerNormEps"])


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, probability, mask):
        ctx.save_for_backward(mask)
        return mask

    @staticmethod
    def backward(ctx, gradient):
        (mask,) = ctx.saved_tensors
        clip = structure["straightThroughClip"]
        return (mask * gradient).clamp(-clip, clip), None


def attend(x, layer):
    """The layer's attention, and what its structure adds to the loss."""
    q, k, v = apply_linear(x, f"{layer}.qkv").view(batch, tokens, 3, heads, head_width).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-1, -2) / math.sqrt(head_width)
    extra = 0
    if layer not in net["structuredLayers"]:
        attention = scores.softmax(-1)
    elif net["dcmm"]:
        membership = apply_linear(q, f"{layer}.membership").softmax(-1)
        affinity = membership @ torch.sigmoid(weights[f"{layer}.block"]) @ membership.transpose(-1, -2)
        degree = F.softplus(apply_linear(q, f"{layer}.degree"))
        attention = (scores + weights[f"{layer}.scale"] * torch.tanh(affinity) * degree * degree.transpose(-1, -2)).softmax(-1)
        extra = -structure["entropyWeight"] * (membership * (membership + 1e-8).log()).sum(-1).mean()
    else:
        cluster = weights[f"{layer}.cluster"]
        loading = lambda y: torch.sigmoid(apply_linear(F.relu(apply_linear(y, f"{layer}.cluster1")), f"{layer}.cluster2") @ cluster.transpose(-1, -2))
        affinity = (cluster @ cluster.transpose(-1, -2)).flatten(1).softmax(-1).view(heads, structure["communities"], -1)
        probability = loading(q) @ affinity @ loading(k).transpose(-1, -2)
        mask = StraightThrough.apply(probability, (torch.rand_like(probability) < probability + structure["delta"]).float())
        masked = scores.softmax(-1) * mask
        attention = masked / masked.sum(-1, True).clamp_min(1e-12)
        extra = structure["densityWeight"] * mask.mean() / len(net["structuredLayers"])
    return apply_linear((attention @ v).transpose(1, 2).reshape(batch, tokens, width), f"{layer}.proj"), extra


def loss_of(pixels, labels):
    x = F.conv2d(pixels, weights["patch.w"], weights["patch.b"], stride=patch, padding=overlap).flatten(2).transpose(1, 2)
    x = torch.cat([weights["class"].expand(batch, 1, width), x], 1) + weights["positions"]
    extra = 0
    for layer in range(depth):
        attended, added = attend(apply_norm(x, f"{layer}.norm1"), layer)
        x = x + attended
        x = x + apply_linear(F.gelu(apply_linear(apply_norm(x, f"{layer}.norm2"), f"{layer}.fc1")), f"{layer}.fc2")
        extra = extra + added
    return F.cross_entropy(apply_linear(apply_norm(x[:, 0], "norm"), "head"), labels, label_smoothing=0.1) + extra


optimizer = torch.optim.AdamW(weights.values(), 1e-4, weight_decay=0.05)
pixels = torch.randn(batch, net["channels"], side, side)
labels = torch.arange(batch) % net["classes"]
print("ready", sum(each.numel() for each in weights.values()), flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    optimizer.zero_grad()
    loss = loss_of(pixels, labels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights.values(), 1)
    optimizer.step()
    print((time.perf_counter() - start) * 1e3, flush=True)
