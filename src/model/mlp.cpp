#include <ATen/ATen.h>

#include "model/decoder_layer.h"
#include "ops/swiglu.h"

namespace ingot::model {
namespace {

class Mlp : public FeedForward {
 public:
  Mlp(const ParameterScope& params, const DecoderConfig& config, const DecoderNames& names)
      : gate_up_(params, names.gate_up, {config.intermediate_size, config.intermediate_size}), down_(params.child(names.down)) {}

  LayerOutput forward(const RemakableInput& h, const Pass& pass) const override {
    const auto projected = gate_up_.forward(h);
    const auto gate = projected[0].contiguous(), up = projected[1].contiguous();  // copies when they are one matrix
    ops::Remake remake;
    if (pass.remake_inputs) remake = [g = gate.detach(), u = up.detach()] { return ops::swiglu(g, u); };
    return {project({ops::swiglu(gate, up), remake, h.dropout_keys}, down_), {}};
  }

 private:
  JointProjection gate_up_;
  Projection down_;
};

}  // namespace

std::unique_ptr<FeedForward> make_mlp(const ParameterScope& params, const DecoderConfig& config,
                                      const DecoderNames& names) {
  return std::make_unique<Mlp>(params, config, names);
}

}  // namespace ingot::model
