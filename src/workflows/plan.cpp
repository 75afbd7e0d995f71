#include "workflows/plan.h"

#include <ostream>

#include "core/error.h"
#include "core/problems.h"
#include "train/plan/layout_rules.h"
#include "workflows/plan_report.h"

namespace ingot::workflows {
namespace {

constexpr size_t kMostLayouts = 5;

/// The freedom that a plan of a fixed layout has none of: what else fits on these devices is shown beside it.
constexpr train::Freedom kAll{.layout = true, .zero = true, .recompute = true};

bool is_free(const train::Freedom& freedom) { return freedom.layout || freedom.zero || freedom.recompute; }

}  // namespace

PlanAnswer answer(const PlanQuestion& question, size_t most_layouts) {
  train::Planner planner(question.shape.model, question.shape.tuning, question.hardware);
  const auto refuse_if_impossible = [&] {
    Problems problems;
    train::check_layout(problems, question.shape, planner.parameters());
    problems.throw_if_any(question.name);
  };
  if (!question.freedom.layout) refuse_if_impossible();
  const int64_t memory = question.room.memory - question.room.program;
  PlanAnswer found{.question = question};
  const auto sought = train::find_layouts(planner, question.shape, question.freedom, memory, most_layouts);
  if (sought.fitting.empty() && !sought.closest) {
    refuse_if_impossible();
    throw ConfigError(question.name + ": no layout of these devices is possible with this batch");
  }
  found.fits = !sought.fitting.empty();
  found.chosen = found.fits ? sought.fitting.front() : *sought.closest;
  if (!found.fits) found.change = train::cheapest_change(planner, found.chosen.shape, kAll, memory);
  found.others = is_free(question.freedom) ? sought.fitting : train::find_layouts(planner, question.shape, kAll, memory, most_layouts).fitting;
  const std::string chosen = layout_words(found.chosen.shape);
  std::erase_if(found.others, [&](const auto& other) { return layout_words(other.shape) == chosen; });
  const auto& shape = found.chosen.shape;
  for (int64_t stage = 0; stage < shape.layout.pp; ++stage) found.stages.push_back(planner.memory(shape, stage));
  auto other = shape;
  for (const auto kind : {model::Recompute::kNone, model::Recompute::kSelective, model::Recompute::kFull}) {
    other.recompute = kind;
    found.by_recompute.push_back(planner.estimate(other));
  }
  found.parameters = train::num_values(planner.parameters()), found.trained = train::num_trained(planner.parameters());
  found.checkpoint = train::checkpoint_need(shape, planner.parameters(), question.hardware);
  return found;
}

int plan(const PlanRequest& request, std::ostream& out) {
  const auto questions = plan_questions(request);
  std::vector<PlanAnswer> answers;
  for (const auto& question : questions) answers.push_back(answer(question, kMostLayouts));
  if (request.json) {
    Json models = Json::array();
    for (const auto& one : answers) models.push_back(to_json(one));
    out << (request.model == "all" ? Json{{"models", models}} : models[0]).dump(2) << "\n";
  } else {
    request.model == "all" ? print_table(answers, out) : print(answers[0], out);
  }
  return kExitOk;
}

}  // namespace ingot::workflows
