#include "workflows/plan.h"

#include <gtest/gtest.h>

#include <sstream>

#include "core/error.h"
#include "core/json.h"
#include "train/plan/planned_parameters.h"
#include "workflows/model_catalog.h"

namespace ingot::workflows {
namespace {

Json plan_of(PlanRequest request) {
  request.json = true;
  std::ostringstream out;
  plan(request, out);
  return Json::parse(out.str());
}

TEST(PlanJob, CountsTheParametersOfEveryCatalogModelExactly) {
  for (const auto& model : model_catalog())
    EXPECT_EQ(train::num_values(train::planned_parameters(catalog_config(model), {})), model.parameters) << model.key;
}

TEST(PlanJob, PrintsOneObjectWhoseBytesAddUp) {
  const Json found = plan_of({.model = "llama2-70b", .devices = 64, .memory = "64GiB"});
  EXPECT_TRUE(found["fits"].get<bool>());
  EXPECT_EQ(found["parameters"], 68976648192);
  const auto& rank = found["per_rank"];
  int64_t sum = 0;
  for (const char* part : {"weights", "gradients", "optimizer", "activations", "merge", "program"}) sum += rank[part].get<int64_t>();
  EXPECT_EQ(rank["total"], sum);
  EXPECT_LE(sum, int64_t{64} << 30);
  EXPECT_EQ(found["layout"]["devices"], 64);
  EXPECT_EQ(found["stages"].size(), found["layout"]["pp"].get<size_t>());
}

TEST(PlanJob, NamesWhatWouldFit) {
  const Json found = plan_of({.model = "llama2-70b", .devices = 8, .memory = "64GiB"});
  EXPECT_FALSE(found["fits"].get<bool>());
  EXPECT_GT(found["change"]["layout"]["devices"].get<int64_t>(), 8);
  EXPECT_LE(found["change"]["total"].get<int64_t>(), int64_t{64} << 30);
}

TEST(PlanJob, RefusesDevicesThatTheAxesDoNotMake) {
  EXPECT_THROW(plan_of({.model = "llama2-7b", .devices = 12, .tp = 8}), ConfigError);
  EXPECT_THROW(plan_of({.model = "llama2-7b", .tp = 3}), ConfigError);
  EXPECT_THROW(plan_of({.model = "lama2-7b"}), ConfigError);
}

}  // namespace
}  // namespace ingot::workflows
