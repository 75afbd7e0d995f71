#include <ostream>

#include "core/error.h"
#include "workflows/train.h"
#include "workflows/train_config.h"

namespace ingot::workflows {

int check_config(const TrainRequest& request, std::ostream& out) {
  out << load_train_config(request.config, request.overrides).in_effect;
  return kExitOk;
}

}  // namespace ingot::workflows
