#pragma once

#include <array>
#include <string_view>

namespace ingot::model {

/// A family of models as Hugging Face names it in config.json.
struct FamilyName {
  std::string_view model_type, architecture;
};

/// Families that build_model knows.
inline constexpr std::array<FamilyName, 2> kFamilies{
    {{"llama", "LlamaForCausalLM"}, {"mistral", "MistralForCausalLM"}}};

}  // namespace ingot::model
