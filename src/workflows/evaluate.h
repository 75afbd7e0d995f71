#pragma once

#include <iosfwd>

#include "train/score_request.h"

namespace ingot::workflows {

using EvaluateRequest = train::ScoreRequest;

/// Mean loss in nat per token, perplexity, token accuracy and number of scored tokens, of each data set and of all. Of
/// conversations the labels alone are scored. Returns the exit code.
int evaluate(const EvaluateRequest& request, std::ostream& out);

}  // namespace ingot::workflows
