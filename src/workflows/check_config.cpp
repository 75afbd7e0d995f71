#include <ostream>

#include "core/error.h"
#include "workflows/train.h"
#include "config/train_config.h"

namespace ingot::workflows {

int check_config(const TrainRequest& request, std::ostream& out) {
  out << config::load_train_config(request.config, request.overrides).in_effect;
  return kExitOk;
}

}  // namespace ingot::workflows
