#include "core/yaml_documents.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

namespace ingot {
namespace {

/// Notes which document was the last that holds something.
class LastFilled : public YAML::EventHandler {
 public:
  size_t last = 0;

  void OnDocumentStart(const YAML::Mark&) override { ++seen_; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override { last = seen_; }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override { last = seen_; }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override { last = seen_; }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override { last = seen_; }
  void OnMapEnd() override {}

 private:
  size_t seen_ = 0;
};

}  // namespace

size_t count_yaml_documents(const std::string& text, size_t most) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  LastFilled filled;
  for (size_t i = 0; i < most; ++i)
    if (!parser.HandleNextDocument(filled)) return filled.last;
  return most;
}

}  // namespace ingot
