"""The libraries that the families' authors use, behind one face, and folders of real tokenizer files for Ingot."""

import base64
import re
import shutil
import subprocess
import unicodedata

import sentencepiece
import tiktoken
import tokenizers

GROUPS_OF_THREE = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                   r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SINGLE_DIGITS = GROUPS_OF_THREE.replace("{1,3}", "")
QWEN_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{i}|>" for i in range(205))]
CHATGLM3_SPECIAL = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>",
                    "<|observation|>"]
GLM4_SPECIAL = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
                "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>",
                "<|end_of_video|>"]


class HuggingFace:
    """tokenizers on a tokenizer.json. It finds special tokens in the text, so Ingot's plain call is what equals it."""

    flags = ()

    def __init__(self, file):
        self.library = tokenizers.Tokenizer.from_file(str(file))
        self.ids = range(self.library.get_vocab_size())

    def encode(self, texts, special=False):
        return [encoding.ids for encoding in self.library.encode_batch_fast(texts, add_special_tokens=special)]

    def decode(self, rows):
        return self.library.decode_batch(rows, skip_special_tokens=False)


class SentencePiece:
    """sentencepiece on a tokenizer.model, which knows no special tokens in a text."""

    flags = ("--ordinary",)

    def __init__(self, file):
        self.library = sentencepiece.SentencePieceProcessor(model_file=str(file))
        everything = range(self.library.get_piece_size())
        self.ids = [i for i in everything if not self.library.is_control(i) and not self.library.is_unknown(i)]
        self.control = [self.library.id_to_piece(i) for i in sorted({*everything} - {*self.ids})]  # decode to nothing

    def encode(self, texts):
        return self.library.encode(texts, num_threads=2)

    def decode(self, rows):
        return self.library.decode(rows, num_threads=2)

    def encode_around_control(self, texts):
        """Control pieces in the text become their ids, what is between them is encoded on its own."""
        between = re.compile("(" + "|".join(map(re.escape, self.control)) + ")")
        ids = []
        for parts in map(between.split, texts):
            pieces = self.library.encode(parts)
            ids.append([id for i, part in enumerate(parts)
                        for id in ([self.library.piece_to_id(part)] if i % 2 else pieces[i])])
        return ids


class Tiktoken:
    """tiktoken on a file of ranks, with the pattern, special tokens and normalization of a family."""

    flags = ("--ordinary",)

    def __init__(self, file, pattern, special=(), nfc=False):
        lines = file.read_text().split("\n")
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}
        self.special = {text: len(ranks) + i for i, text in enumerate(special)}
        self.library = tiktoken.Encoding("test", pat_str=pattern, mergeable_ranks=ranks, special_tokens=self.special)
        self.ids = range(len(ranks) + len(special))
        self.nfc = nfc

    def normalized(self, texts):
        return [unicodedata.normalize("NFC", text) for text in texts] if self.nfc else texts

    def encode(self, texts):
        return self.library.encode_ordinary_batch(self.normalized(texts), num_threads=2)

    def encode_with_special(self, texts):
        return self.library.encode_batch(self.normalized(texts), num_threads=2, allowed_special="all", disallowed_special=())

    def decode(self, rows):
        return self.library.decode_batch(rows, num_threads=2)


ORACLES = {
    "llama2-json": lambda folder: HuggingFace(folder / "tokenizer.json"),
    "llama3-json": lambda folder: HuggingFace(folder / "tokenizer.json"),
    "qwen1_5-json": lambda folder: HuggingFace(folder / "tokenizer.json"),
    "qwen2-vocab": lambda folder: HuggingFace(folder.parent / "qwen1_5-json" / "tokenizer.json"),  # the same vocabulary
    "qwen2_5-json": lambda folder: HuggingFace(folder / "tokenizer.json"),
    "yi-json": lambda folder: HuggingFace(folder / "tokenizer.json"),
    "mistral-json": lambda folder: HuggingFace(folder / "tokenizer.json"),
    "llama2-model": lambda folder: SentencePiece(folder / "tokenizer.model"),
    "yi-model": lambda folder: SentencePiece(folder / "tokenizer.model"),
    "mistral-model": lambda folder: SentencePiece(folder / "tokenizer.model"),
    "chatglm3-model": lambda folder: SentencePiece(folder / "tokenizer.model"),
    "baichuan2-model": lambda folder: SentencePiece(folder / "tokenizer.model"),
    "llama3-model": lambda folder: Tiktoken(folder / "tokenizer.model", GROUPS_OF_THREE),
    "glm4-model": lambda folder: Tiktoken(folder / "tokenizer.model", GROUPS_OF_THREE, GLM4_SPECIAL),
    "qwen-tiktoken": lambda folder: Tiktoken(folder / "qwen.tiktoken", SINGLE_DIGITS, QWEN_SPECIAL, nfc=True),
}
FILES = {"json": ["tokenizer.json"], "model": ["tokenizer.model"], "vocab": ["vocab.json", "merges.txt"],
         "tiktoken": ["qwen.tiktoken"]}


def make_folder(root, family, kind, source):
    """Files of one kind of a family and its configuration, unpacked. A tokenizer.json stands alone, as its oracle has it."""
    folder = root / f"{family}-{kind}"
    folder.mkdir()
    configs = [] if kind == "json" else ["tokenizer_config.json", "special_tokens_map.json"]
    for name in FILES[kind] + configs:
        if (source / family / f"{name}.zst").exists():
            subprocess.run(["zstd", "-dq", source / family / f"{name}.zst", "-o", folder / name], check=True)
        elif (source / family / name).exists():
            shutil.copy(source / family / name, folder / name)
    return folder
