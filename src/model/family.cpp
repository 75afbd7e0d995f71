#include "model/family.h"

#include <algorithm>

#include "model/decoder_config.h"

namespace ingot::model {

const std::vector<Family>& families() {
  static const std::vector<Family> all{llama_family(), mistral_family(), mixtral_family(), qwen2_family(),
                                       qwen_family(),  chatglm_family(), glm_family(),     baichuan_family()};
  return all;
}

const Family* find_family(std::string_view model_type) {
  const auto found = std::find_if(families().begin(), families().end(),
                                  [&](const Family& family) { return family.model_type == model_type; });
  return found == families().end() ? nullptr : &*found;
}

EndNames end_names(const DecoderConfig& config) {
  const auto& names = find_family(config.model_type)->names;
  return {names.embedding + ".weight", names.head + ".weight"};
}

}  // namespace ingot::model
