#include <ATen/ATen.h>

#include "model/decoder_layer.h"
#include "ops/swiglu.h"

namespace ingot::model {
namespace {

class Mlp : public FeedForward {
 public:
  Mlp(const ParameterScope& params, const LayerContext& context)
      : gate_up_(params, context.names.gate_up, std::vector<int64_t>(2, context.config.intermediate_size / context.ranks.size())),
        down_(params.child(context.names.down)), ranks_(context.ranks) {}

  LayerOutput forward(const RemakableInput& h, const Pass& pass) const override {
    const auto projected = gate_up_.forward(h);
    const auto gate = projected[0].contiguous(), up = projected[1].contiguous();  // copies when they are one matrix
    ops::Remake remake;
    if (pass.remake_inputs) remake = [g = gate.detach(), u = up.detach()] { return ops::swiglu(g, u); };
    return {project_part({ops::swiglu(gate, up), remake, h.dropout_keys}, down_, ranks_), {}};
  }

 private:
  JointProjection gate_up_;
  Projection down_;
  parallel::Communicator& ranks_;
};

}  // namespace

std::unique_ptr<FeedForward> make_mlp(const ParameterScope& params, const LayerContext& context) {
  return std::make_unique<Mlp>(params, context);
}

}  // namespace ingot::model
