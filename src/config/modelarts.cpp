#include "config/modelarts.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "config/key.h"
#include "config/megatron_arguments.h"
#include "config/yaml_value.h"
#include "core/file.h"
#include "core/json.h"
#include "core/printable.h"
#include "core/problems.h"
#include "core/words.h"

namespace ingot::config {
namespace fs = std::filesystem;
namespace {

const Key* key_of_variable(std::string_view variable) {
  for (const auto& section : key_table())
    for (const auto& key : section.keys)
      if (key.environment == variable) return &key;
  return nullptr;
}

/// What ModelLink's scripts give to every run. Source: CONTRACT appendix A.
struct ScriptDefault {
  const char *key, *value;
};
constexpr ScriptDefault kScriptDefaults[] = {{"lr_scheduler_type", "cosine"}, {"warmup_ratio", "0.01"}, {"weight_decay", "0.1"}, {"max_grad_norm", "1"}};

/// Reads the variables of one job; what is wrong goes to `problems`.
class JobReader {
 public:
  JobReader(const std::map<std::string, std::string>& environment, int64_t num_devices, const fs::path& factory_output)
      : environment_(environment), num_devices_(num_devices), factory_output_(factory_output) {}

  ModelArtsJob read(const std::vector<std::string>& arguments) {
    check_variables(environment_, problems_);
    read_type();
    read_old_names();
    read_keys();
    read_model();
    read_arguments(arguments);
    read_steps();
    read_folders();
    read_resume();
    read_ranks();
    problems_.throw_if_any("ModelArts variables");
    return std::move(job_);
  }

 private:
  /// Nothing where it is not set or empty.
  std::optional<std::string> value(const std::string& name) const {
    const auto found = environment_.find(name);
    return found == environment_.end() || found->second.empty() ? std::nullopt : std::optional(found->second);
  }

  void tell(const std::string& variable, const std::string& value, const std::string& origin, const std::string& key = "") {
    job_.settings.push_back({variable, value, origin, key});
  }

  void set(const std::string& variable, const std::string& value, const std::string& origin, const std::string& key) {
    job_.keys[key] = yaml_value(value);
    tell(variable, value, origin, key);
  }

  std::optional<int64_t> number(const std::string& name, int64_t least, const std::string& wanted) {
    const auto text = value(name);
    if (!text) return {};
    if (const auto found = whole_number(*text); found && *found >= least) return found;
    problems_.add(fmt::format("{}: found {}, wanted {}", name, in_quotes(*text), wanted));
    return {};
  }

  bool is_true(const std::string& name) {
    const auto text = value(name);
    const std::string word = lower_case(text.value_or("false"));
    if (is_one_of(word, {"true", "1", "yes", "on"})) return true;
    problems_.expect(is_one_of(word, {"false", "0", "no", "off"}), name, text.value_or(""), "TRUE or FALSE");
    return false;
  }

  /// RUN_TYPE to 6.3.911, STAGE and FINETUNING_TYPE from 6.3.912.
  void read_type() {
    const auto run = value("RUN_TYPE"), stage = value("STAGE"), kind = value("FINETUNING_TYPE");
    const std::string word = run ? lower_case(*run) : "";
    problems_.expect(!run || is_one_of(word, {"pretrain", "retrain", "sft", "lora"}), "RUN_TYPE", word, "pretrain, sft, lora, or retrain of 6.3.904");
    problems_.expect(!stage || is_one_of(*stage, {"pt", "sft"}), "STAGE", stage.value_or(""), "pt or sft");
    problems_.expect(!kind || is_one_of(*kind, {"full", "lora"}), "FINETUNING_TYPE", kind.value_or(""), "full or lora");
    const std::string by_run = is_one_of(word, {"sft", "lora"}) ? word : "pretrain";
    const std::string by_stage = kind == "lora" ? "lora" : stage.value_or("pt") == "sft" ? "sft" : "pretrain";
    if (run && (stage || kind) && by_run != by_stage)
      problems_.add(fmt::format("RUN_TYPE={} and STAGE={} FINETUNING_TYPE={} are of different jobs, wanted one of the two", *run, stage.value_or("pt"), kind.value_or("full")));
    job_.type = run ? by_run : by_stage;
    if (run) tell("RUN_TYPE", *run, "environment");
    is_retrain_ = word == "retrain";
    const bool is_sft_stage = job_.type == "sft" || (job_.type == "lora" && stage.value_or("sft") == "sft");
    set("STAGE", is_sft_stage ? "sft" : "pt", stage ? "environment" : run ? "of RUN_TYPE" : "default", "stage");
    set("FINETUNING_TYPE", job_.type == "lora" ? "lora" : "full", kind ? "environment" : run ? "of RUN_TYPE" : "default", "finetuning_type");
  }

  /// 6.3.904: one script a family.
  void read_old_names() {
    for (const auto& [old, now] : {std::pair{"DATASET_PATH", "ORIGINAL_TRAIN_DATA_PATH"}, std::pair{"MODEL_PATH", "ORIGINAL_HF_WEIGHT"}}) {
      const auto text = value(old);
      if (!text) continue;
      if (const auto other = value(now); other && *other != *text) problems_.add(fmt::format("{}={} and {}={} are one thing, wanted one of the two", old, *text, now, *other));
      else if (!other) set(old, *text, "environment", std::string(key_of_variable(now)->name));
    }
  }

  /// Those that are keys by another name.
  void read_keys() {
    for (const auto& section : key_table())
      for (const auto& key : section.keys) {
        const std::string variable(key.environment);
        if (variable.empty() || is_one_of(variable, {"STAGE", "FINETUNING_TYPE", "OUTPUT_SAVE_DIR"})) continue;
        if (const auto text = value(variable)) set(variable, *text, "environment", std::string(key.name));
      }
    for (const auto& known : kScriptDefaults) set("", known.value, "ModelLink's scripts", known.key);
    set("", job_.type == "lora" ? "0.999" : "0.95", "ModelLink's scripts", "adam_beta2");
    if (job_.type == "lora") set("", "16", "ModelLink's scripts", "lora_rank"), set("", "32", "ModelLink's scripts", "lora_alpha");
    const auto handler = value("DATA_TYPE").value_or("");
    if (is_sft() && (handler == "GeneralInstructionHandler" || handler.starts_with("MOSS"))) set("", "alpaca", "of DATA_TYPE", "template");
    if (!job_.keys.contains("dataset")) problems_.add("ORIGINAL_TRAIN_DATA_PATH: found nothing, wanted the data: a file or a folder");
  }

  bool is_sft() const { return job_.keys.at("stage") == yaml_value("sft"); }

  /// Where a key was set: the text, without quotes.
  std::string text_of(const std::string& key) const {
    const auto found = job_.keys.find(key);
    if (found == job_.keys.end()) return {};
    return found->second.starts_with('"') ? Json::parse(found->second).get<std::string>() : found->second;
  }

  void read_model() {
    const std::string weights = text_of("model_name_or_path");
    if (weights.empty()) return problems_.add("ORIGINAL_HF_WEIGHT: found nothing, wanted the folder of a Hugging Face model");
    job_name_ = value("MODEL_NAME").value_or(fs::path(weights).lexically_normal().filename().string());
    if (job_name_.empty()) job_name_ = fs::path(weights).lexically_normal().parent_path().filename().string();
    tell("MODEL_NAME", job_name_, value("MODEL_NAME") ? "environment" : "name of the folder");
    if (job_name_.find('/') != std::string::npos || job_name_.starts_with('.')) problems_.add(fmt::format("MODEL_NAME: found {}, wanted a name of a folder", in_quotes(job_name_)));
    read_tokenizer(weights);
    if (const auto longest = number("MAX_PE", 1, "a number of tokens")) {
      tell("MAX_PE", std::to_string(*longest), "environment");
      const std::string length = text_of("cutoff_len");
      if (is_number(length) && std::stod(length) > static_cast<double>(*longest))
        problems_.add(fmt::format("SEQ_LEN: found {}, wanted at most MAX_PE = {}", length, *longest));
      job_.remarks.push_back("MAX_PE changes nothing: positions are what the model's config.json says");
    }
  }

  /// One folder is a model here, its tokenizer among its files.
  void read_tokenizer(const fs::path& weights) {
    const auto tokenizer = value("TOKENIZER_PATH");
    tell("TOKENIZER_PATH", tokenizer.value_or(weights.string()), tokenizer ? "environment" : "ORIGINAL_HF_WEIGHT");
    if (!tokenizer || fs::path(*tokenizer).lexically_normal() == weights.lexically_normal()) return;
    for (const char* name : {"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "qwen.tiktoken", "special_tokens_map.json"}) {
      const fs::path wanted = fs::path(*tokenizer) / name, found = weights / name;
      if (fs::is_regular_file(wanted) && (!fs::is_regular_file(found) || read_file(wanted) != read_file(found)))
        problems_.add(fmt::format("TOKENIZER_PATH: {} is not that of ORIGINAL_HF_WEIGHT, {}: copy it there, as the trained folder has one tokenizer", wanted.string(), weights.string()));
    }
  }

  void read_arguments(const std::vector<std::string>& arguments) {
    const auto found = read_megatron_arguments(arguments, text_of("model_name_or_path"), count_of("pipeline_model_parallel_size"), problems_);
    for (const auto& [key, text] : found.keys) {
      if (is_one_of(key, {"output_dir", "stage", "finetuning_type"})) {
        problems_.add(fmt::format("{}: is said by a variable: {}", found.argument_of.at(key), key == "output_dir" ? "OUTPUT_SAVE_DIR" : "RUN_TYPE"));
        continue;
      }
      if (const auto before = job_.keys.find(key); before != job_.keys.end() && before->second != yaml_value(text))
        std::erase_if(job_.settings, [&](const Setting& one) { return one.key == key && one.variable.empty(); });
      set(found.argument_of.at(key), text, "argument", key);
    }
    job_.remarks.insert(job_.remarks.end(), found.remarks.begin(), found.remarks.end());
    if (job_.keys.contains("adapter_name_or_path")) job_.keys.erase("lora_rank"), job_.keys.erase("lora_alpha");
  }

  /// TRAIN_ITERS before EPOCH; SN is counted, and compared when the data is prepared.
  void read_steps() {
    job_.samples = number("SN", 1, "the number of samples of the data, or nothing: they are counted");
    tell("SN", job_.samples ? std::to_string(*job_.samples) : "counted", job_.samples ? "environment" : "derived");
    if (text_of("max_steps") == "0") job_.keys.erase("max_steps");  // not given
    if (job_.keys.contains("max_steps") && job_.keys.contains("num_train_epochs")) {
      job_.remarks.push_back(fmt::format("TRAIN_ITERS={} says how long the run is, EPOCH={} changes nothing beside it", text_of("max_steps"), text_of("num_train_epochs")));
      job_.keys.erase("num_train_epochs");
      return;
    }
    if (job_.keys.contains("max_steps")) return;
    tell("TRAIN_ITERS", "exactly EPOCH passes, with a last step that is short", "derived", "num_train_epochs");
  }

  ModelArtsFolders folders_of_scripts() {
    const fs::path saved_root = value("OUTPUT_SAVE_DIR").value_or("saved_dir_for_output"), of_model = saved_root / job_name_;
    const fs::path processed = value("INPUT_PROCESSED_DIR").value_or((fs::path("processed_for_input") / job_name_).string());
    const fs::path saved = value("CKPT_SAVE_PATH").value_or((of_model / "saved_models").string());
    const fs::path logs = value("LOG_SAVE_PATH").value_or((of_model / "logs").string()), plog = value("ASCEND_PROCESS_LOG_PATH").value_or((saved_root / "plog").string());
    const auto told = [&](const char* variable, const fs::path& place) { tell(variable, place.string(), value(variable) ? "environment" : "default"); };
    told("INPUT_PROCESSED_DIR", processed), told("OUTPUT_SAVE_DIR", saved_root), told("CKPT_SAVE_PATH", saved), told("LOG_SAVE_PATH", logs), told("ASCEND_PROCESS_LOG_PATH", plog);
    return {saved / (job_.type + "_run"), saved / job_.type, saved / (job_.type + "_hf"), processed / "data" / (is_sft() ? "finetune" : "pretrain"), logs, plog, logs / (job_.type + ".yaml")};
  }

  void read_folders() {
    auto& folders = job_.folders;
    const fs::path& out = factory_output_;
    if (out.empty()) folders = folders_of_scripts();
    else folders = {out / "run", out / "saved_checkpoints", out / "ckpt_converted_mg2hf", out / "preprocess_data", out / "logs", out / "logs", out / "exp-config.yaml"};
    set("", fs::absolute(folders.run).lexically_normal().string(), out.empty() ? "of CKPT_SAVE_PATH" : "of af_output_dir", "output_dir");
    job_.converts_to_hf = is_true("CONVERT_MG2HF");
    tell("CONVERT_MG2HF", job_.converts_to_hf ? "TRUE" : "FALSE", value("CONVERT_MG2HF") ? "environment" : "default");
    if (value("USER_PROCESSED_DATA_DIR"))
      problems_.add("USER_PROCESSED_DATA_DIR: data that another program has prepared is not read; leave it out and name the raw data in ORIGINAL_TRAIN_DATA_PATH: "
                    "what this program has prepared is found again by itself");
  }

  /// CONTRACT §6.3, of whose two bullets on USER_CONVERTED_CKPT_PATH with MA_TRAIN_AUTO_RESUME the first is taken: the run's own checkpoints
  /// come before it where there are any.
  void read_resume() {
    const auto load = number("CKPT_LOAD_TYPE", 0, "0, 1 or 2");
    if (load) problems_.expect(*load <= 2, "CKPT_LOAD_TYPE", *load, "0 (no weights), 1 (weights) or 2 (weights and optimizer)");
    const bool resumes = is_true("MA_TRAIN_AUTO_RESUME") || is_retrain_ || load == 2;
    if (load == 0) set("CKPT_LOAD_TYPE", "0", "environment", "train_from_scratch"), job_.keys["train_from_scratch"] = "true";
    else tell("CKPT_LOAD_TYPE", load ? std::to_string(*load) : "1, or its own checkpoints where there are any", load ? "environment" : "default");
    tell("MA_TRAIN_AUTO_RESUME", is_true("MA_TRAIN_AUTO_RESUME") ? "1" : "0", value("MA_TRAIN_AUTO_RESUME") ? "environment" : "default");
    job_.must_begin = load && !resumes;
    if (const auto from = value("USER_CONVERTED_CKPT_PATH")) read_user_checkpoint(*from, load.value_or(resumes && !fs::is_regular_file(fs::path(*from) / "config.json") ? 2 : 1));
    if (job_.type == "lora" && load == 0) problems_.add("CKPT_LOAD_TYPE: found 0 of a LoRA run, wanted 1 or 2: an adapter is trained on weights");
  }

  void read_user_checkpoint(const fs::path& from, int64_t load) {
    const bool is_model = fs::is_regular_file(from / "config.json");
    tell("USER_CONVERTED_CKPT_PATH", from.string(), "environment", load == 1 ? "model_name_or_path" : "");
    if (load == 0) return job_.remarks.push_back("USER_CONVERTED_CKPT_PATH changes nothing with CKPT_LOAD_TYPE=0, which loads no weights");
    const bool is_own_first = fs::exists(job_.folders.run / "checkpoints" / "latest_checkpointed_iteration.txt") && is_true("MA_TRAIN_AUTO_RESUME");
    if (is_own_first) return job_.remarks.push_back("USER_CONVERTED_CKPT_PATH is not read: the run has checkpoints of its own, which come first with MA_TRAIN_AUTO_RESUME=1");
    if (!fs::is_directory(from)) return problems_.add(fmt::format("USER_CONVERTED_CKPT_PATH: {}: is no folder", from.string()));
    if (load == 2 && !is_model) job_.goes_on_from = from;
    else if (is_model) job_.keys["model_name_or_path"] = yaml_value(from.string());
    else problems_.add(fmt::format("USER_CONVERTED_CKPT_PATH: {} holds no Hugging Face model (config.json); of a run of ours name its _hf folder, or set CKPT_LOAD_TYPE=2", from.string()));
  }

  void read_ranks() {
    job_.num_nodes = number("NNODES", 1, "the number of nodes").value_or(1);
    job_.node_rank = number("NODE_RANK", 0, "the number of this node, from 0").value_or(0);
    job_.master_addr = value("MASTER_ADDR").value_or("localhost");
    const bool is_of_kubernetes = value("MASTER_PORT").value_or("").find("://") != std::string::npos;  // of a service that is called master
    if (const auto port = is_of_kubernetes ? std::nullopt : number("MASTER_PORT", 1, "a port")) problems_.expect(*port < 65536, "MASTER_PORT", *port, "a port, below 65536"), job_.master_port = static_cast<uint16_t>(*port);
    problems_.expect(job_.node_rank < job_.num_nodes, "NODE_RANK", job_.node_rank, fmt::format("a number below NNODES = {}", job_.num_nodes));
    problems_.expect(job_.num_nodes == 1 || value("MASTER_ADDR"), "MASTER_ADDR", "nothing", "the host of node 0");
    tell("MASTER_ADDR", job_.master_addr, value("MASTER_ADDR") ? "environment" : "default");
    tell("NNODES", std::to_string(job_.num_nodes), value("NNODES") ? "environment" : "default");
    tell("NODE_RANK", std::to_string(job_.node_rank), value("NODE_RANK") ? "environment" : "default");
    const auto ranks = number(value("NPUS_PER_NODE") ? "NPUS_PER_NODE" : "GPUS_PER_NODE", 1, "the number of ranks of a node");
    job_.ranks_per_node = ranks.value_or(num_devices_ > 0 ? num_devices_ : ranks_needed());
    tell("NPUS_PER_NODE", std::to_string(job_.ranks_per_node), ranks ? "environment" : num_devices_ > 0 ? "devices of this machine" : "of TP, PP, CP and NNODES");
  }

  /// The whole number that a key has, 1 where it has none or another text, which is refused where the configuration is read.
  int64_t count_of(const std::string& key) const { return whole_number(text_of(key)).value_or(1); }

  /// On a CPU: of a node, so that TP x PP x CP fit.
  int64_t ranks_needed() const {
    int64_t ranks = 1;
    for (const char* key : {"tensor_model_parallel_size", "pipeline_model_parallel_size", "context_parallel_size"}) ranks *= std::clamp<int64_t>(count_of(key), 1, 4096);
    return (ranks + job_.num_nodes - 1) / job_.num_nodes;
  }

  const std::map<std::string, std::string>& environment_;
  const int64_t num_devices_;
  const fs::path& factory_output_;
  Problems problems_;
  ModelArtsJob job_;
  std::string job_name_;
  bool is_retrain_ = false;
};

}  // namespace

ModelArtsJob read_modelarts(const std::map<std::string, std::string>& environment, const std::vector<std::string>& arguments, int64_t num_devices,
                            const fs::path& factory_output) {
  return JobReader(environment, num_devices, factory_output).read(arguments);
}

}  // namespace ingot::config
