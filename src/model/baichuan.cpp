// Baichuan and Baichuan2: fused queries, keys and values. The 13B models have ALiBi, the 7B ones rope; the second
// version normalises the rows of its head. config.json says neither: the 13B files state model_max_length alone, the
// 7B files max_position_embeddings too; the first version has a vocabulary of 64000. Source: MODELS §2 F.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

constexpr int64_t kFirstVocabulary = 64000;

/// What configuration_baichuan.py of all sizes and versions has in common; it is one class of each size with one name.
void baichuan_defaults(DecoderConfig& config) {
  config.max_position_embeddings = 4096, config.rms_norm_eps = 1e-6, config.bos_token_id = 1, config.eos_token_ids = {2};
}

void read_baichuan(ConfigReader& reader, DecoderConfig& config) {
  config.alibi = !reader.contains("max_position_embeddings");
  config.norm_head = config.vocab_size != kFirstVocabulary;
}

}  // namespace

Family baichuan_family() {
  return {.model_type = "baichuan",
          .architectures = {"BaichuanForCausalLM", "BaiChuanForCausalLM"},
          .read = read_baichuan,
          .defaults = baichuan_defaults,
          .keys = {.kv_heads = {}, .length = {"max_position_embeddings", "model_max_length"}},
          .names = {.qkv = {"W_pack"}}};
}

}  // namespace ingot::model
