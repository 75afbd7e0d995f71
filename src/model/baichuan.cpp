// Baichuan and Baichuan2: fused queries, keys and values. The 13B models have ALiBi, the 7B ones rope; the second
// version normalises the rows of its head. config.json says neither: the 13B files state model_max_length alone, the
// 7B files max_position_embeddings too; the first version has a vocabulary of 64000. Source: MODELS §2 F.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

constexpr int64_t kFirstVocabulary = 64000;

void read(ConfigReader& reader, DecoderConfig& config) {
  config.alibi = !reader.contains("max_position_embeddings");
  config.norm_head = config.vocab_size != kFirstVocabulary;
}

}  // namespace

Family baichuan_family() {
  return {.model_type = "baichuan",
          .architectures = {"BaichuanForCausalLM", "BaiChuanForCausalLM"},
          .read = read,
          .keys = {.kv_heads = {}, .length = {"max_position_embeddings", "model_max_length"}},
          .names = {.qkv = {"W_pack"}}};
}

}  // namespace ingot::model
