#pragma once

#include <string>
#include <vector>

#include "train/plan/planner.h"
#include "workflows/plan.h"
#include "workflows/run_shape.h"

namespace ingot::workflows {

/// One thing to plan: what is fixed, what is to be sought, and where it has to fit.
struct PlanQuestion {
  std::string name;
  train::RunShape shape;
  train::Freedom freedom;
  Room room;
  train::Hardware hardware;
  bool on_this_cpu = false;
};

/// Throws ConfigError for numbers that do not go together.
std::vector<PlanQuestion> plan_questions(const PlanRequest& request);

}  // namespace ingot::workflows
