#pragma once

#include "data/chat/conversation.h"

namespace ingot::data {

inline constexpr Role kUser = Role::kUser, kAssistant = Role::kAssistant, kSystem = Role::kSystem, kObservation = Role::kObservation;

}  // namespace ingot::data
