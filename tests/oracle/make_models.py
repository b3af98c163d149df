#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tiny models of every published family, in odd shapes, and what transformers and PEFT make of them.

    tests/oracle/make_models.py OUT [--seed N] [--only NAME]

Each case is a folder of OUT: a checkpoint that `vila` opens as it is (adapters: in adapter/, on base/) and expected.safetensors with
`ids`, of models that see also `pixels` and `projector_output`, and `logits` of every position, all computed in float32. Weights hold
only numbers that bf16 has and are stored so, but for the bases of adapters. Seed 0 is what tests/data/oracle was made with; any other draws other shapes too.
Needs torch, transformers (4.46), peft and safetensors; the language models, CLIP, SigLIP and the adapters are theirs, InternViT, the
projectors and the splice are written here from the description of the layouts.
"""

import argparse
import json
import math
import pathlib
import random
import shutil

import peft
import torch
import torch.distributed.tensor  # peft asks for it without importing it
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file, save_file

IMAGE = -200  # stands for a picture in `ids`


class Draw:
    """Shapes and numbers of one case, by its seed."""

    def __init__(self, name, seed):
        self.shapes = random.Random(f"{name} {seed}")
        self.numbers = torch.Generator().manual_seed(self.shapes.randrange(2**31))

    def pick(self, *choices):
        return self.shapes.choice(choices)

    def tensor(self, *shape, scale=1.0):
        return torch.randn(*shape, generator=self.numbers) * scale

    def fill(self, named):
        """Gives every parameter numbers that bf16 has: gains near 1, the rest of a size that keeps signals alive."""
        for name, parameter in named:
            is_gain = parameter.dim() == 1 and name.endswith("weight") or name.endswith(("ls1", "ls2"))
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 16
            value = 1 + self.tensor(*parameter.shape, scale=0.2) if is_gain else self.tensor(*parameter.shape, scale=1.2 / math.sqrt(fan_in))
            parameter.data = value.to(torch.bfloat16).float()


def save(path, tensors, dtype=torch.bfloat16):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().to(dtype).contiguous() for name, value in tensors.items()}, path, {"format": "pt"})


def save_expected(folder, tensors):
    save_file({name: (value if value.dtype == torch.int32 else value.detach().float()).contiguous() for name, value in tensors.items()},
              folder / "expected.safetensors")


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


# Language models

def llm_config(draw, family):
    kv = draw.pick(1, 2, 3)
    heads = kv * draw.pick(1, 2)
    head_dim = draw.pick(4, 6, 8)
    common = dict(hidden_size=heads * head_dim, intermediate_size=draw.pick(21, 28, 36), num_hidden_layers=2,
                  num_attention_heads=heads, num_key_value_heads=kv, vocab_size=draw.pick(41, 50, 57), max_position_embeddings=256,
                  rms_norm_eps=draw.pick(1e-5, 1e-6), rope_theta=draw.pick(1e4, 5e5, 1e6), bos_token_id=1, eos_token_id=2)
    if family == "qwen2":
        return transformers.Qwen2Config(tie_word_embeddings=True, use_sliding_window=False, **common)
    if family == "mistral":
        common["hidden_size"] = heads * head_dim + draw.pick(2, 6)  # heads need not fill the width
        return transformers.MistralConfig(head_dim=head_dim, sliding_window=None, **common)
    scaling = {"llama": None,
               "llama-linear": {"rope_type": "linear", "factor": draw.pick(2.0, 3.0)},
               "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                          "original_max_position_embeddings": draw.pick(16, 64)}}[family]
    return transformers.LlamaConfig(rope_scaling=scaling, **common)


def make_llm(draw, family):
    config = llm_config(draw, family)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    draw.fill(model.named_parameters())
    return model


def llm_json(model):
    config = json.loads(model.config.to_json_string(use_diff=False))
    keys = ["architectures", "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
            "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling",
            "tie_word_embeddings", "bos_token_id", "eos_token_id", "hidden_act", "sliding_window", "use_sliding_window"]
    return {key: config[key] for key in keys if key in config}


def llm_tensors(model):
    is_tied = model.config.tie_word_embeddings
    return {name: value for name, value in model.state_dict().items() if not (is_tied and name == "lm_head.weight")}


def draw_ids(draw, model, count):
    return [1] + [draw.shapes.randrange(3, model.config.vocab_size) for _ in range(count - 1)]


def write_text_case(folder, draw, family):
    model = make_llm(draw, family)
    write_json(folder / "config.json", llm_json(model))
    save(folder / "model.safetensors", llm_tensors(model))
    ids = draw_ids(draw, model, 21)
    save_expected(folder, {"ids": torch.tensor(ids, dtype=torch.int32), "logits": model(torch.tensor([ids])).logits[0]})


# Towers

class InternLayer(torch.nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = torch.nn.RMSNorm(width, 1e-6), torch.nn.RMSNorm(width, 1e-6)
        self.ls1, self.ls2 = torch.nn.Parameter(torch.ones(width)), torch.nn.Parameter(torch.ones(width))
        self.attn = torch.nn.Module()
        self.attn.qkv, self.attn.proj = torch.nn.Linear(width, 3 * width, bias=False), torch.nn.Linear(width, width)
        self.attn.q_norm, self.attn.k_norm = torch.nn.RMSNorm(width, 1e-6), torch.nn.RMSNorm(width, 1e-6)
        self.mlp = torch.nn.Module()
        self.mlp.fc1, self.mlp.fc2 = torch.nn.Linear(width, inner), torch.nn.Linear(inner, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = self.attn.qkv(self.norm1(x)).split(width, dim=2)
        q, k, v = (y.view(n, t, self.heads, -1).transpose(1, 2) for y in (self.attn.q_norm(q), self.attn.k_norm(k), v))
        x = x + self.ls1 * self.attn.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, width))
        return x + self.ls2 * self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class Intern(torch.nn.Module):
    """InternViT: class token, RMSNorm, queries and keys normalised over the whole width, scaled branches."""

    def __init__(self, config):
        super().__init__()
        width = config["hidden_size"]
        grid = config["image_size"] // config["patch_size"]
        self.embeddings = torch.nn.Module()
        self.embeddings.class_embedding = torch.nn.Parameter(torch.zeros(1, 1, width))
        self.embeddings.patch_embedding = torch.nn.Conv2d(3, width, config["patch_size"], config["patch_size"])
        self.embeddings.position_embedding = torch.nn.Parameter(torch.zeros(1, grid * grid + 1, width))
        self.encoder = torch.nn.Module()
        self.encoder.layers = torch.nn.ModuleList(
            InternLayer(width, config["num_attention_heads"], config["intermediate_size"]) for _ in range(config["num_hidden_layers"]))

    def features(self, pixels):
        patches = self.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.embeddings.class_embedding.expand(len(pixels), -1, -1), patches], dim=1) + self.embeddings.position_embedding
        for layer in self.encoder.layers:
            x = layer(x)
        return x[:, 1:]


def tower_config(draw, kind):
    heads = draw.pick(2, 3)
    patch = draw.pick(7, 8)
    return {"hidden_size": heads * draw.pick(4, 6), "intermediate_size": draw.pick(20, 27), "num_hidden_layers": 3,
            "num_attention_heads": heads, "image_size": patch * draw.pick(3, 5) + (draw.pick(0, 3) if kind != "intern" else 0),
            "patch_size": patch, "num_channels": 3}


def make_tower(draw, kind):
    """(config.json, state dict, pixels to features, mm_vision_select_layer, mm_vision_select_feature)"""
    config = tower_config(draw, kind)
    if kind == "intern":
        tower = Intern(config)
        draw.fill(tower.named_parameters())
        return dict(config, model_type="intern_vit_6b", hidden_act="gelu", qk_normalization=True, qkv_bias=False), tower.state_dict(), tower.features, -1, "patch"
    is_clip = kind == "clip"
    make = transformers.CLIPVisionConfig if is_clip else transformers.SiglipVisionConfig
    model_class = transformers.CLIPVisionModel if is_clip else transformers.SiglipVisionModel
    act = "quick_gelu" if is_clip else "gelu_pytorch_tanh"
    eps = 1e-5 if is_clip else 1e-6
    tower = model_class._from_config(make(hidden_act=act, layer_norm_eps=eps, **config), attn_implementation="eager").float().eval()
    draw.fill(tower.named_parameters())
    states = {name: value for name, value in tower.state_dict().items() if "position_ids" not in name and ".head." not in name}
    json_config = dict(config, model_type="clip_vision_model" if is_clip else "siglip_vision_model", hidden_act=act, layer_norm_eps=eps)
    first = 1 if is_clip else 0
    return json_config, states, lambda pixels: tower(pixels, output_hidden_states=True).hidden_states[-2][:, first:], -2, "patch" if is_clip else "cls_patch"


def resized_positions(table, count):
    """The rule of the reference's vision_resolution: along the flattened map, zero where a place is a whole number."""
    places = torch.arange(count) / (count - 1) * (len(table) - 1)
    below, above = places.floor(), places.ceil()
    return (places - below)[:, None] * table[above.long().clamp(max=len(table) - 1)] + (above - places)[:, None] * table[below.long()]


def resize_tower(tower, states, resolution):
    """Pixels of another size to features, of a SigLIP tower."""
    keys = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "patch_size", "hidden_act", "layer_norm_eps"]
    config = transformers.SiglipVisionConfig(image_size=resolution, **{key: tower[key] for key in keys})
    model = transformers.SiglipVisionModel._from_config(config, attn_implementation="eager").float().eval()
    name = "vision_model.embeddings.position_embedding.weight"
    table = resized_positions(states[name], (resolution // tower["patch_size"]) ** 2)
    model.load_state_dict(dict(states, **{name: table}), strict=False)
    return lambda pixels: model(pixels, output_hidden_states=True).hidden_states[-2]


# Projectors

def merge_cells(x, rate, is_column_major):
    """Cells of rate x rate neighbours side by side, zeros where the map ends."""
    n, tokens, width = x.shape
    side = math.isqrt(tokens)
    cells = -(-side // rate)
    x = F.pad(x.view(n, side, side, width), (0, 0, 0, cells * rate - side, 0, cells * rate - side))
    x = x.view(n, cells, rate, cells, rate, width).permute(0, 1, 3, 2, 4, 5).reshape(n, cells, cells, rate * rate * width)
    return (x.transpose(1, 2) if is_column_major else x).reshape(n, cells * cells, -1)


def projector_layers(kind, c, h):
    norm, linear, gelu = torch.nn.LayerNorm, torch.nn.Linear, torch.nn.GELU
    if kind == "mlp2x_gelu":
        return [linear(c, h), gelu(), linear(h, h)]
    if kind == "mlp_downsample_3x3_fix":
        return [torch.nn.Identity(), norm(9 * c), linear(9 * c, 3 * c), gelu(), norm(3 * c), linear(3 * c, h), gelu(), linear(h, h)]
    return [torch.nn.Identity(), norm(4 * c), linear(4 * c, h), gelu(), linear(h, h)]


def make_projector(draw, kind, c, h, is_column_major):
    layers = torch.nn.Sequential(*projector_layers(kind, c, h))
    draw.fill(layers.named_parameters())
    rate = {"mlp2x_gelu": 1, "mlp_downsample_3x3_fix": 3}.get(kind, 2)
    return layers.state_dict(), lambda x: layers(merge_cells(x, rate, is_column_major) if rate > 1 else x)


# Models that see

SEEING = {  # name: tower, language model, projector, layout
    "clip-llama": ("clip", "llama-linear", "mlp2x_gelu", "flat"),
    "siglip-llama3": ("siglip", "llama3", "mlp_downsample", "vila1.5"),
    "intern-llama": ("intern", "llama", "mlp_downsample", "vila1.5"),
    "siglip-qwen2": ("siglip", "qwen2", "mlp_downsample", "nvila"),
    "siglip-qwen2-3x3": ("siglip", "qwen2", "mlp_downsample_3x3_fix", "nvila"),
    "siglip-resized": ("siglip", "llama", "mlp_downsample", "vila1.5"),  # vision_resolution
}


def processor_json(tower):
    size = tower["image_size"]
    if tower["model_type"] == "clip_vision_model":
        return {"size": size, "crop_size": size, "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
    return {"size": {"height": size, "width": size}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def write_flat(folder, llm, root, tower, tower_states, projector, projector_states):
    write_json(folder / "config.json", dict(llm_json(llm), **root, model_type="llava_llama", mm_vision_tower="tower", mm_projector_type=projector))
    tensors = dict(llm_tensors(llm), **{f"model.mm_projector.{name}": value for name, value in projector_states.items()})
    save(folder / "model.safetensors", tensors)
    write_json(folder / "tower/config.json", {"model_type": "clip", "vision_config": tower})
    write_json(folder / "tower/preprocessor_config.json", processor_json(tower))
    save(folder / "tower/model.safetensors", tower_states)


def write_three(folder, llm, root, tower, tower_states, projector, projector_states):
    write_json(folder / "config.json", dict(root, model_type="llava_llama", llm_cfg={}, vision_tower_cfg={}, mm_projector_cfg={}, resume_path="./vlm"))
    write_json(folder / "llm/config.json", llm_json(llm))
    save(folder / "llm/model.safetensors", llm_tensors(llm))
    write_json(folder / "vision_tower/config.json", tower)
    if tower["model_type"] != "intern_vit_6b":
        write_json(folder / "vision_tower/preprocessor_config.json", processor_json(tower))
    save(folder / "vision_tower/model.safetensors", tower_states)
    write_json(folder / "mm_projector/config.json", {"mm_projector_type": projector, "model_type": "v2l_projector"})
    save(folder / "mm_projector/model.safetensors", {f"layers.{name}": value for name, value in projector_states.items()})


def splice(model, ids, pictures):
    rows, picture = [], iter(pictures)
    for token in ids:
        rows.append(next(picture) if token == IMAGE else model.get_input_embeddings()(torch.tensor([token])))
    return torch.cat(rows)


def write_seeing_case(folder, draw, tower_kind, family, projector_kind, layout):
    llm = make_llm(draw, family)
    tower, tower_states, features, layer, feature = make_tower(draw, tower_kind)
    projector_states, project = make_projector(draw, projector_kind, tower["hidden_size"], llm.config.hidden_size, layout == "vila1.5")
    root = {"mm_hidden_size": tower["hidden_size"], "mm_vision_select_layer": layer, "mm_vision_select_feature": feature,
            "image_aspect_ratio": "pad" if layout == "flat" else "resize", "hidden_size": llm.config.hidden_size}
    side = tower["image_size"]
    if folder.name.startswith("siglip-resized"):
        side = root["vision_resolution"] = side + tower["patch_size"] * draw.pick(1, 2)
        features = resize_tower(tower, tower_states, side)
    if layout == "nvila":
        root["image_encoder"] = '{"_target_": "llava.model.encoders.BasicImageEncoder"}'
    (write_flat if layout == "flat" else write_three)(folder, llm, root, tower, tower_states, projector_kind, projector_states)
    pixels = draw.tensor(2, 3, side, side)
    rows = project(features(pixels))
    ids = draw_ids(draw, llm, 4) + [IMAGE] + draw_ids(draw, llm, 5)[1:] + [IMAGE] + draw_ids(draw, llm, 4)[1:]
    logits = llm(inputs_embeds=splice(llm, ids, rows)[None]).logits[0]
    save_expected(folder, {"ids": torch.tensor(ids, dtype=torch.int32), "pixels": pixels, "projector_output": rows, "logits": logits})


# Adapters

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {  # name: family of the base, LoraConfig
    "lora": ("llama", dict(r=3, lora_alpha=7, target_modules=LINEARS)),
    "lora-rslora-patterns": ("llama", dict(r=4, lora_alpha=5, use_rslora=True, target_modules=["q_proj", "down_proj", "lm_head"],
                                           rank_pattern={"down_proj": 2}, alpha_pattern={"layers.0.self_attn.q_proj": 9})),
    "dora": ("qwen2", dict(r=2, lora_alpha=3, use_dora=True, target_modules=LINEARS)),
    "lora-whole-modules": ("mistral", dict(r=2, lora_alpha=4, target_modules=["v_proj"], modules_to_save=["embed_tokens", "lm_head"])),
    "lora-embedding": ("llama", dict(r=2, lora_alpha=4, target_modules=["embed_tokens", "k_proj"])),
    "lora-embedding-tied": ("qwen2", dict(r=2, lora_alpha=4, target_modules=["embed_tokens", "o_proj"])),
}


def write_adapter_case(folder, draw, family, settings):
    base = make_llm(draw, family)
    write_json(folder / "base/config.json", llm_json(base))
    save(folder / "base/model.safetensors", llm_tensors(base), torch.float32)  # so that merging rounds nothing away
    model = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", **settings)).eval()
    draw.fill((name, value) for name, value in model.named_parameters() if "lora_" in name and "magnitude" not in name or "modules_to_save" in name)
    for name, value in model.named_parameters():
        if "magnitude" in name:  # near the lengths of the rows, as training finds them
            value.data = (value.data * (1 + draw.tensor(*value.shape, scale=0.2))).to(torch.bfloat16).float()
    model.save_pretrained(folder / "adapter", save_embedding_layers=False)
    (folder / "adapter/README.md").unlink(missing_ok=True)
    saved = folder / "adapter/adapter_model.safetensors"
    save(saved, load_file(saved))
    config = json.loads((folder / "adapter/adapter_config.json").read_text())
    write_json(folder / "adapter/adapter_config.json", dict(config, base_model_name_or_path="../base", target_modules=sorted(config["target_modules"])))
    ids = draw_ids(draw, base, 17)
    save_expected(folder, {"ids": torch.tensor(ids, dtype=torch.int32), "logits": model(torch.tensor([ids])).logits[0]})


TEXTS = {"llama-text": "llama", "mistral-text": "mistral", "qwen2-text": "qwen2", "llama3-text": "llama3"}


def writers():
    for name, family in TEXTS.items():
        yield name, write_text_case, (family,)
    for name, row in SEEING.items():
        yield name, write_seeing_case, row
    for name, row in ADAPTERS.items():
        yield name, write_adapter_case, row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, write, row in writers():
        if options.only and options.only != name:
            continue
        folder = options.out / (name if options.seed == 0 else f"{name}-{options.seed}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with torch.no_grad():
            write(folder, Draw(name, options.seed), *row)


if __name__ == "__main__":
    main()
